//! Comma-separated values, as RFC 4180 describes them and as programs write them.

/// Why a text is not CSV.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("a quote that begins in line {0} of the CSV does not end; let the command write whole CSV")]
pub struct CsvError(pub usize);

/// The records of a text; empty lines are none.
///
/// # Errors
/// [`CsvError`].
pub fn records(text: &str) -> Result<Vec<Vec<String>>, CsvError> {
    let (mut records, mut record, mut field) = (Vec::new(), Vec::new(), String::new());
    let (mut line, mut quote_began, mut was_quoted) = (1, None, false);
    let mut characters = text.chars().peekable();
    while let Some(c) = characters.next() {
        line += usize::from(c == '\n');
        match c {
            '"' if quote_began.is_some() && characters.peek() == Some(&'"') => {
                characters.next();
                field.push('"');
            }
            '"' if quote_began.is_some() => quote_began = None,
            c if quote_began.is_some() => field.push(c),
            '"' if field.is_empty() && !was_quoted => {
                quote_began = Some(line);
                was_quoted = true;
            }
            ',' => {
                record.push(std::mem::take(&mut field));
                was_quoted = false;
            }
            '\r' if characters.peek() == Some(&'\n') => {}
            '\n' => {
                end(&mut records, &mut record, &mut field, was_quoted);
                was_quoted = false;
            }
            c => field.push(c),
        }
    }
    if let Some(line) = quote_began {
        return Err(CsvError(line));
    }
    end(&mut records, &mut record, &mut field, was_quoted);
    Ok(records)
}

fn end(records: &mut Vec<Vec<String>>, record: &mut Vec<String>, field: &mut String, was_quoted: bool) {
    if record.is_empty() && field.is_empty() && !was_quoted {
        return;
    }
    record.push(std::mem::take(field));
    records.push(std::mem::take(record));
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn fields_may_hold_what_separates_them() {
        let text = "a,b\r\n\"x, \"\"y\"\"\nz\",\n\n\"\"\nlast";
        let expected: Vec<Vec<&str>> = vec![vec!["a", "b"], vec!["x, \"y\"\nz", ""], vec![""], vec!["last"]];
        assert_eq!(records(text).unwrap(), expected);
        assert_eq!(records("a\n\"b").unwrap_err(), CsvError(2));
        assert!(records("").unwrap().is_empty());
    }
}
