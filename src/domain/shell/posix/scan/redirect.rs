//! What stands beside the words of a command: comments, redirections, here-documents.

use super::Scan;
use super::list::List;

impl Scan<'_> {
    pub(super) fn comment(&mut self) {
        let start = self.at;
        let line = self.script.get(start..).and_then(|rest| rest.find('\n'));
        self.at = line.map_or(self.bytes.len(), |offset| start + offset);
        self.fault_between(start, self.at, "stands in a comment", "take it out of the comment");
    }

    pub(super) fn redirection(&mut self, list: &mut List) {
        if list.words.last().is_some_and(|word| {
            word.end == self.at && !word.text.is_empty() && word.text.bytes().all(|b| b.is_ascii_digit())
        }) {
            list.words.pop();
        }
        if self.starts("<<") && !self.starts("<<<") {
            let strip = self.peek(2) == b'-';
            self.at += if strip { 3 } else { 2 };
            self.blanks();
            let word = self.word();
            for slot in word.slots {
                self.fault(slot, "names the end of a here-document", "write a fixed word there");
            }
            self.heredocs.push((word.text, strip));
            return;
        }
        let is_input = self.peek(0) == b'<';
        while matches!(self.peek(0), b'<' | b'>' | b'&' | b'|') && !(self.peek(0) != b'&' && self.peek(1) == b'(') {
            self.at += 1;
        }
        self.blanks();
        if !matches!(self.peek(0), b'\n' | b';' | 0) {
            let start = self.at;
            let _target = self.word(); // always one word, and never source by itself
            if is_input {
                list.input.extend(self.slots_between(start, self.at));
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
        for (end, strip) in std::mem::take(&mut self.heredocs) {
            let start = self.at;
            let mut is_closed = false;
            while !self.is_at_end() && !is_closed {
                let rest = self.script.get(self.at..).unwrap_or_default();
                let line = rest.split('\n').next().unwrap_or_default();
                let shown = if strip { line.trim_start_matches('\t') } else { line };
                is_closed = shown == end;
                self.at = (self.at + line.len() + 1).min(self.bytes.len());
            }
            let remedy =
                "write `v={{…}}` on a line before, and $v in the here-document (with its end word not in quotes)";
            self.fault_between(start, self.at, "stands in a here-document", remedy);
            if !is_closed {
                self.heredocs.push((end, strip));
                return;
            }
        }
    }
}
