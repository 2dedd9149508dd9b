//! One evaluation as a protobuf message.

use bennu_domain::annotation::{Annotation, Target, Verdict};
use bennu_proto::Evaluation;
use bennu_proto::evaluation::SubjectId;
use bennu_proto::evaluation::subject_id::Kind;
use prost::Message as _;

use super::intake::{InvalidEvaluation, annotation};

pub fn read(body: &[u8]) -> Result<Vec<Annotation>, InvalidEvaluation> {
    let evaluation = Evaluation::decode(body).map_err(|_| InvalidEvaluation::Body)?;
    let subject = evaluation.subject_id.and_then(|SubjectId { kind }| kind);
    let target = match subject.ok_or(InvalidEvaluation::Data("subject_id is required"))? {
        Kind::TraceId(id) => Target::Trace(id),
        Kind::SpanId(id) => Target::Span(id),
        Kind::DocumentRetrievalId(document) => {
            Target::Document(document.span_id, document.document_position.into())
        }
    };
    let result = evaluation.result.unwrap_or_default();
    let verdict = Verdict { label: result.label, score: result.score, explanation: result.explanation };
    Ok(vec![annotation(target, &evaluation.name, verdict)?])
}

#[cfg(test)]
mod tests {
    use bennu_proto::evaluation::{DocumentRetrievalId, Result as Judged};

    use super::*;

    fn evaluation(kind: Option<Kind>) -> Vec<u8> {
        let result = Judged { score: Some(0.0), label: None, explanation: Some("é".to_owned()) };
        let subject_id = Some(SubjectId { kind });
        Evaluation { name: "n".to_owned(), subject_id, result: Some(result) }.encode_to_vec()
    }

    #[test]
    fn a_zero_is_a_score_and_nothing_is_none() {
        let read = read(&evaluation(Some(Kind::SpanId("ab".to_owned())))).unwrap().remove(0);
        assert_eq!(read.target, Target::Span("ab".to_owned()));
        let expected = Verdict { label: None, score: Some(0.0), explanation: Some("é".to_owned()) };
        assert_eq!(read.verdict, expected);
    }

    #[test]
    fn the_wire_form_is_that_of_older_clients() {
        // name "n"; subject: trace "t"; result: score 1.5 in a message of its own
        let bytes =
            [0x0a, 1, b'n', 0x12, 3, 0x0a, 1, b't', 0x1a, 11, 0x0a, 9, 0x09, 0, 0, 0, 0, 0, 0, 0xf8, 0x3f];
        let read = read(&bytes).unwrap().remove(0);
        assert_eq!((read.target, read.verdict.score), (Target::Trace("t".to_owned()), Some(1.5)));
    }

    #[test]
    fn documents_have_positions_and_nothing_is_refused() {
        let id = DocumentRetrievalId { span_id: "ab".to_owned(), document_position: 3 };
        let read_document = read(&evaluation(Some(Kind::DocumentRetrievalId(id)))).unwrap().remove(0);
        assert_eq!(read_document.target, Target::Document("ab".to_owned(), 3));
        assert!(matches!(read(&evaluation(None)), Err(InvalidEvaluation::Data(_))));
        assert!(matches!(read(b"\xff\xff"), Err(InvalidEvaluation::Body)));
        assert!(matches!(read(b""), Err(InvalidEvaluation::Data(_))));
    }
}
