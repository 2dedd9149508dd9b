//! Words of a condition, cut out of its text.

use super::error::ConditionError;
use super::number::Number;
use super::string_literal::{StringStart, read_string};

/// A word and where it stands, in bytes of the text.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Token {
    pub kind: TokenKind,
    pub start: usize,
    pub end: usize,
}

#[derive(Debug, Clone, PartialEq)]
pub(super) enum TokenKind {
    Name(String),
    Text(String),
    Number(Number),
    /// A keyword, an operator or a bracket.
    Sign(&'static str),
    End,
}

/// Longer ones first: `<=` is not `<` and `=`.
const SIGNS: [&str; 24] = [
    "**", "//", "==", "!=", "<=", ">=", ":=", "<", ">", "+", "-", "*", "/", "%", "(", ")", "[", "]", "{",
    "}", ",", ".", ":", "=",
];
const KEYWORDS: [&str; 13] =
    ["and", "or", "not", "in", "is", "for", "if", "else", "lambda", "None", "True", "False", "async"];

/// All words of the text, with [`TokenKind::End`] behind the last one.
pub(super) fn tokens(text: &str) -> Result<Vec<Token>, ConditionError> {
    let mut tokens = Vec::new();
    let mut at = 0;
    loop {
        at = skip_blanks(text, at);
        let rest = &text[at..];
        let Some(first) = rest.chars().next() else { break };
        let (kind, end) = if first.is_ascii_digit() || (first == '.' && starts_with_digit(&rest[1..])) {
            number(text, at)?
        } else if let Some(start) = StringStart::of(rest) {
            let (content, end) = read_string(text, at, start)?;
            (TokenKind::Text(content), end)
        } else if is_name_start(first) {
            name(text, at)
        } else {
            sign(text, at)?
        };
        tokens.push(Token { kind, start: at, end });
        at = end;
    }
    tokens.push(Token { kind: TokenKind::End, start: text.len(), end: text.len() });
    Ok(tokens)
}

/// The first byte at or after `at` that is neither blank nor part of a comment.
fn skip_blanks(text: &str, mut at: usize) -> usize {
    loop {
        let rest = &text[at..];
        at += rest.len() - rest.trim_start().len();
        if !text[at..].starts_with('#') {
            return at;
        }
        at = text[at..].find('\n').map_or(text.len(), |newline| at + newline);
    }
}

fn starts_with_digit(text: &str) -> bool {
    text.starts_with(|first: char| first.is_ascii_digit())
}

fn is_name_start(character: char) -> bool {
    character == '_' || character.is_alphabetic()
}

fn name(text: &str, start: usize) -> (TokenKind, usize) {
    let rest = &text[start..];
    let length = rest.find(|character: char| character != '_' && !character.is_alphanumeric());
    let word = &rest[..length.unwrap_or(rest.len())];
    let keyword = KEYWORDS.iter().find(|keyword| **keyword == word);
    let kind = keyword.map_or_else(|| TokenKind::Name(word.to_owned()), |keyword| TokenKind::Sign(keyword));
    (kind, start + word.len())
}

fn sign(text: &str, start: usize) -> Result<(TokenKind, usize), ConditionError> {
    match SIGNS.iter().find(|sign| text[start..].starts_with(**sign)) {
        Some(sign) => Ok((TokenKind::Sign(sign), start + sign.len())),
        None => Err(ConditionError::at(text, start, "invalid syntax")),
    }
}

/// A number of Python: digits grouped by `_`, `0x`, `0o` and `0b`, fractions and exponents.
fn number(text: &str, start: usize) -> Result<(TokenKind, usize), ConditionError> {
    let rest = &text[start..];
    let invalid = || ConditionError::at(text, start, "invalid number");
    let mut end = 0;
    for (at, character) in rest.char_indices() {
        let after_exponent =
            rest[..at].ends_with(['e', 'E']) && !rest.starts_with("0x") && !rest.starts_with("0X");
        let part = character.is_alphanumeric()
            || matches!(character, '_' | '.')
            || (after_exponent && matches!(character, '+' | '-'));
        if !part {
            break;
        }
        end = at + character.len_utf8();
    }
    let written = &rest[..end];
    let grouped = !written.contains("__") && !written.ends_with('_');
    let number = grouped.then(|| Number::parse_literal(&written.replace('_', ""))).flatten();
    Ok((TokenKind::Number(number.ok_or_else(invalid)?), start + end))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn kinds(text: &str) -> Vec<TokenKind> {
        tokens(text).unwrap().into_iter().map(|token| token.kind).collect()
    }

    #[test]
    fn names_keywords_numbers_and_signs_are_told_apart() {
        use TokenKind::{End, Name, Sign, Text};
        let name = |text: &str| Name(text.to_owned());
        assert_eq!(kinds("é_1 not in"), [name("é_1"), Sign("not"), Sign("in"), End]);
        assert_eq!(
            kinds("a.b<=-1"),
            [name("a"), Sign("."), name("b"), Sign("<="), Sign("-"), TokenKind::Number(Number::Int(1)), End]
        );
        assert_eq!(kinds("r'x' # comment\n 'y'"), [Text("x".to_owned()), Text("y".to_owned()), End]);
    }

    #[test]
    fn numbers_are_those_of_python() {
        let number = |text: &str| match &kinds(text)[..] {
            [TokenKind::Number(number), TokenKind::End] => *number,
            other => panic!("{other:?}"),
        };
        assert_eq!(number("4_2"), Number::Int(42));
        assert_eq!(
            (number("0x2A"), number("0b11"), number("0o17")),
            (Number::Int(42), Number::Int(3), Number::Int(15))
        );
        assert_eq!(
            (number("1e-3"), number(".5"), number("5.")),
            (Number::Float(0.001), Number::Float(0.5), Number::Float(5.0))
        );
        assert_eq!(number("99999999999999999999"), Number::Float(1e20));
        for wrong in ["042", "1e999", "4__2", "1_", "42j", "1.a", "1.2.3", "0x", "1e"] {
            assert!(tokens(wrong).is_err(), "{wrong}");
        }
    }

    #[test]
    fn what_is_no_word_is_located() {
        for (text, column) in [("a ? b", 3), ("é == $", 6), ("'abc", 1), ("a & b", 3), ("a;", 2)] {
            assert_eq!(tokens(text).unwrap_err().column, column, "{text}");
        }
    }
}
