//! The protobuf wire format, as far as it takes to cut a message into its fields.

use bytes::{Buf as _, Bytes};
use prost::encoding::{WireType, decode_key, decode_varint};

use super::OtlpError;

/// One field of a message: its number, its encoding with the tag, and its payload if length-delimited.
pub(super) struct Field {
    pub number: u32,
    pub encoded: Bytes,
    pub payload: Option<Bytes>,
}

/// Cuts `message` into its top-level fields; the slices share its memory.
pub(super) fn fields(message: &Bytes) -> impl Iterator<Item = Result<Field, OtlpError>> {
    let mut rest = message.clone();
    let mut failed = false;
    std::iter::from_fn(move || {
        if rest.is_empty() || failed {
            return None;
        }
        let field = next_field(&mut rest);
        failed = field.is_err();
        Some(field)
    })
}

/// Cuts the first field off a message that is not empty: its number, how it is encoded, and its payload if it is
/// length-delimited (else bytes without meaning). `None` if it cannot be read.
#[inline]
pub(super) fn split_field<'m>(message: &mut &'m [u8]) -> Option<(u32, WireType, &'m [u8])> {
    let (number, wire_type) = decode_key(message).ok()?;
    let length = match wire_type {
        WireType::Varint => decode_varint(message).map(|_| 0).ok()?,
        WireType::ThirtyTwoBit => 4,
        WireType::SixtyFourBit => 8,
        WireType::LengthDelimited => decode_varint(message).ok()?,
        // Groups were dropped from protobuf before OTLP existed.
        WireType::StartGroup | WireType::EndGroup => return None,
    };
    let (payload, rest) = message.split_at_checked(usize::try_from(length).ok()?)?;
    *message = rest;
    Some((number, wire_type, payload))
}

fn next_field(rest: &mut Bytes) -> Result<Field, OtlpError> {
    let malformed = |error: prost::DecodeError| OtlpError::Protobuf(error.to_string());
    let start = rest.clone();
    let (number, wire_type) = decode_key(rest).map_err(malformed)?;
    let payload = match wire_type {
        WireType::Varint => {
            decode_varint(rest).map_err(malformed)?;
            None
        }
        WireType::ThirtyTwoBit => take(rest, 4).map(|_| None)?,
        WireType::SixtyFourBit => take(rest, 8).map(|_| None)?,
        WireType::LengthDelimited => {
            let length = decode_varint(rest).map_err(malformed)?;
            Some(take(rest, usize::try_from(length).unwrap_or(usize::MAX))?)
        }
        // Groups were dropped from protobuf before OTLP existed.
        WireType::StartGroup | WireType::EndGroup => {
            return Err(OtlpError::Protobuf(format!("field {number} is a group")));
        }
    };
    let encoded = start.slice(..start.len() - rest.len());
    Ok(Field { number, encoded, payload })
}

fn take(rest: &mut Bytes, length: usize) -> Result<Bytes, OtlpError> {
    if rest.remaining() < length {
        return Err(OtlpError::Protobuf("it ends in the middle of a field".to_owned()));
    }
    Ok(rest.split_to(length))
}
