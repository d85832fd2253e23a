//! What stands beside the words of a command: comments, redirections, here-documents.

use super::Scan;
use super::list::List;

/// A here-document whose lines come.
pub(super) struct HereDocument {
    /// Its last line.
    pub(super) end: String,
    /// Tabs at the begin of its lines do not count.
    strips: bool,
    /// A backslash at the end of a line joins it with the next: the word was written without quotes.
    joins: bool,
}

impl Scan<'_> {
    pub(super) fn comment(&mut self) {
        let start = self.at;
        let line = self.script.get(start..).and_then(|rest| rest.find('\n'));
        self.at = line.map_or(self.bytes.len(), |offset| start + offset);
        self.fault_between(start, self.at, "stands in a comment", "take it out of the comment");
    }

    pub(super) fn redirection(&mut self, list: &mut List) {
        if let Some(word) = list.words.pop_if(|word| word.end == self.at && is_descriptor(&word.text)) {
            self.names_descriptor(&word);
        }
        if self.starts("<<") && !self.starts("<<<") {
            let strip = self.peek(2) == b'-';
            self.at += if strip { 3 } else { 2 };
            self.blanks();
            let word = self.word();
            for slot in word.slots {
                self.fault(slot, "names the end of a here-document", "write a fixed word there");
            }
            self.heredocs.push(HereDocument { end: word.text, strips: strip, joins: !word.quoted });
            return;
        }
        let is_input = self.peek(0) == b'<';
        let is_text = self.starts("<<<"); // else the name of a file
        while matches!(self.peek(0), b'<' | b'>' | b'&' | b'|') && !(self.peek(0) != b'&' && self.peek(1) == b'(') {
            self.at += 1;
        }
        self.blanks();
        if !matches!(self.peek(0), b'\n' | b';' | 0) {
            let start = self.at;
            let _target = self.word(); // always one word, and never source by itself
            if is_input {
                let slots = self.slots_between(start, self.at);
                if is_text {
                    self.printed.extend(&slots);
                }
                list.input.extend(slots);
            }
        }
    }

    fn blanks(&mut self) {
        while matches!(self.peek(0), b' ' | b'\t') {
            self.at += 1;
        }
    }

    /// Goes behind the here-documents whose lines begin here.
    pub(super) fn here_documents(&mut self) {
        for document in std::mem::take(&mut self.heredocs) {
            let start = self.at;
            let mut is_closed = false;
            let mut joined = String::new();
            while !self.is_at_end() && !is_closed {
                let rest = self.script.get(self.at..).unwrap_or_default();
                let line = rest.split('\n').next().unwrap_or_default();
                self.at = (self.at + line.len() + 1).min(self.bytes.len());
                let begins = joined.is_empty() && document.strips;
                let shown = if begins { line.trim_start_matches('\t') } else { line };
                let backslashes = shown.len() - shown.trim_end_matches('\\').len();
                if document.joins && backslashes % 2 == 1 {
                    joined.push_str(shown.strip_suffix('\\').unwrap_or(shown));
                    continue;
                }
                joined.push_str(shown);
                is_closed = joined == document.end;
                joined.clear();
            }
            let remedy =
                "write `v={{…}}` on a line before, and $v in the here-document (with its end word not in quotes)";
            self.fault_between(start, self.at, "stands in a here-document", remedy);
            if !is_closed {
                self.heredocs.push(document);
                return;
            }
        }
    }
}

/// What may stand before `<` and `>`, touching it: `2>`, `{name}>`.
fn is_descriptor(text: &str) -> bool {
    let is_number = !text.is_empty() && text.bytes().all(|b| b.is_ascii_digit());
    is_number || text.starts_with('{') && text.ends_with('}') && text.len() > 2
}
