//! String literals, with the prefixes and escapes of Python.

use super::error::ConditionError;

/// How a literal begins.
#[derive(Debug, Clone, Copy)]
pub(super) struct StringStart<'t> {
    prefix: &'t str,
    quote: &'t str,
}

impl<'t> StringStart<'t> {
    /// The beginning of a literal at the start of `rest`; `None` if there is none.
    pub fn of(rest: &'t str) -> Option<Self> {
        let prefix = &rest[..rest.find(|character: char| !character.is_ascii_alphabetic())?];
        let (after, known) = (&rest[prefix.len()..], prefix.len() <= 2);
        let quotes = ["'''", "\"\"\"", "'", "\""];
        let quote = quotes.into_iter().find(|quote| known && after.starts_with(quote))?;
        Some(Self { prefix, quote: &after[..quote.len()] })
    }
}

/// The content of the literal that begins at byte `at`, and the byte behind it.
pub(super) fn read_string(
    text: &str,
    at: usize,
    start: StringStart<'_>,
) -> Result<(String, usize), ConditionError> {
    let raw = match start.prefix.to_ascii_lowercase().as_str() {
        "" | "u" => false,
        "r" => true,
        _ => return Err(ConditionError::at(text, at, "only plain and raw text literals are supported")),
    };
    let begin = at + start.prefix.len() + start.quote.len();
    let mut content = String::new();
    let mut position = begin;
    loop {
        let rest = &text[position..];
        if rest.starts_with(start.quote) {
            return Ok((content, position + start.quote.len()));
        }
        let next = rest.chars().next().filter(|next| *next != '\n' || start.quote.len() == 3);
        let Some(next) = next else { return Err(ConditionError::at(text, at, "unterminated text literal")) };
        let taken = if next != '\\' {
            content.push(next);
            next.len_utf8()
        } else if raw {
            // The character behind a backslash is taken as it is, a quote too.
            let pair = rest.chars().take(2).map(char::len_utf8).sum();
            content.push_str(&rest[..pair]);
            pair
        } else {
            unescape(&rest[1..], &mut content)
                .map(|taken| taken + 1)
                .ok_or_else(|| ConditionError::at(text, position, "invalid escape in a text literal"))?
        };
        position += taken;
    }
}

/// Appends what the escape stands for; `rest` begins behind the backslash. Returns the bytes it takes.
fn unescape(rest: &str, content: &mut String) -> Option<usize> {
    let first = rest.chars().next()?;
    let plain = match first {
        '\n' => return Some(1),
        '\\' | '\'' | '"' => first,
        'n' => '\n',
        't' => '\t',
        'r' => '\r',
        'a' => '\u{7}',
        'b' => '\u{8}',
        'f' => '\u{c}',
        'v' => '\u{b}',
        'x' => return hexadecimal(rest, 2, content),
        'u' => return hexadecimal(rest, 4, content),
        'U' => return hexadecimal(rest, 8, content),
        'N' => return None,
        '0'..='7' => return octal(rest, content),
        other => {
            content.push('\\');
            other
        }
    };
    content.push(plain);
    Some(first.len_utf8())
}

fn hexadecimal(rest: &str, digits: usize, content: &mut String) -> Option<usize> {
    let code = rest.get(1..=digits).filter(|digits| digits.bytes().all(|digit| digit.is_ascii_hexdigit()))?;
    content.push(char::from_u32(u32::from_str_radix(code, 16).ok()?)?);
    Some(1 + digits)
}

fn octal(rest: &str, content: &mut String) -> Option<usize> {
    let length = rest.bytes().take(3).take_while(|byte| (b'0'..=b'7').contains(byte)).count();
    content.push(char::from_u32(u32::from_str_radix(&rest[..length], 8).ok()?)?);
    Some(length)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(literal: &str) -> Option<String> {
        let (content, end) = read_string(literal, 0, StringStart::of(literal)?).ok()?;
        assert_eq!(end, literal.len());
        Some(content)
    }

    #[test]
    fn escapes_are_those_of_python() {
        assert_eq!(read(r"'a\'b\n\x41\101é\u00e9\q\\'").as_deref(), Some("a'b\nAAéé\\q\\"));
        assert_eq!(read(r#"r"\n\"""#).as_deref(), Some("\\n\\\""));
        assert_eq!(read("'''it's\nlong'''").as_deref(), Some("it's\nlong"));
        assert_eq!(read("''").as_deref(), Some(""));
    }

    #[test]
    fn broken_literals_are_refused() {
        for literal in
            ["'a", "'a\nb'", r"'\x4'", r"'\ud800'", r"'\U00110000'", r"'\N{DOT}'", "b'a'", "f'a'", "'\\"]
        {
            assert_eq!(read(literal), None, "{literal}");
        }
    }
}
