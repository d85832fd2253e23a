//! The brackets of a script, and the statements in them.

use std::ops::Range;

/// Brackets in brackets beyond this are looked at as one.
const DEEPEST: usize = 200;

/// A statement goes on with these on a line of their own.
const GO_BACK: [&str; 5] = ["else", "elseif", "catch", "finally", "until"];

/// A line that ends in one goes on; those that begin with `c` or `i` are the same.
const OPERATORS: [&str; 31] = [
    "and",
    "as",
    "band",
    "bnot",
    "bor",
    "bxor",
    "contains",
    "eq",
    "f",
    "ge",
    "gt",
    "in",
    "is",
    "isnot",
    "join",
    "le",
    "like",
    "lt",
    "match",
    "ne",
    "not",
    "notcontains",
    "notin",
    "notlike",
    "notmatch",
    "or",
    "replace",
    "shl",
    "shr",
    "split",
    "xor",
];

/// What is in a pair of brackets, or the whole script.
pub(super) struct Group {
    /// Where the bracket stands; the whole script stands in itself.
    pub(super) parent: usize,
    pub(super) inside: Range<usize>,
    /// In order.
    pub(super) statements: Vec<Range<usize>>,
}

/// A bracket that is not closed yet.
struct Open {
    group: Option<usize>,
    closed_by: Option<char>,
    /// The end of a line may end a statement in it.
    lines: bool,
    /// Where its last statement began.
    start: usize,
}

/// The pairs of brackets in the order in which they begin, the whole script first.
pub(super) fn groups(code: &str) -> Vec<Group> {
    let mut finding = Finding { code, groups: Vec::new(), open: Vec::new() };
    finding.open(None, true, 0);
    let mut blank = true;
    for (at, c) in code.char_indices() {
        match c {
            '(' => {
                let lines = code.get(..at).is_some_and(|before| before.ends_with(['$', '@']));
                finding.open(Some(')'), lines, at + 1);
            }
            '[' => finding.open(Some(']'), false, at + 1),
            '{' => finding.open(Some('}'), true, at + 1),
            ')' | ']' | '}' => finding.close(c, at),
            '\n' if !blank => finding.line_ends(at),
            _ => {}
        }
        blank = c == '\n' || blank && c.is_whitespace();
    }
    while let Some(ended) = finding.open.pop() {
        finding.finish(&ended, code.len());
    }
    finding.groups
}

struct Finding<'c> {
    code: &'c str,
    groups: Vec<Group>,
    open: Vec<Open>,
}

impl Finding<'_> {
    fn open(&mut self, closed_by: Option<char>, lines: bool, start: usize) {
        let group = (self.open.len() < DEEPEST).then_some(self.groups.len());
        if group.is_some() {
            let parent = self.open.last().and_then(|open| open.group).unwrap_or_default();
            self.groups.push(Group { parent, inside: start..self.code.len(), statements: Vec::new() });
        }
        self.open.push(Open { group, closed_by, lines, start });
    }

    /// What is open in it ends with it; a bracket that closes nothing is none.
    fn close(&mut self, c: char, at: usize) {
        let near = self.open.iter().rev().take(DEEPEST);
        if !near.into_iter().any(|open| open.closed_by == Some(c)) {
            return;
        }
        while let Some(ended) = self.open.pop() {
            self.finish(&ended, at);
            if ended.closed_by == Some(c) {
                return;
            }
        }
    }

    fn finish(&mut self, ended: &Open, end: usize) {
        if let Some(group) = ended.group.and_then(|group| self.groups.get_mut(group)) {
            group.inside.end = end;
            group.statements.push(ended.start..end);
        }
    }

    fn line_ends(&mut self, at: usize) {
        let Some(open) = self.open.last_mut().filter(|open| open.lines) else { return };
        let statement = self.code.get(open.start..at).unwrap_or_default();
        if goes_on(statement, self.code.get(at + 1..).unwrap_or_default()) {
            return;
        }
        if let Some(group) = open.group.and_then(|group| self.groups.get_mut(group)) {
            group.statements.push(open.start..at);
        }
        open.start = at + 1;
    }
}

/// Whether a statement goes on behind the end of a line. Empty lines and comments end none.
fn goes_on(statement: &str, next: &str) -> bool {
    let line = statement.trim_end();
    if line.ends_with(['|', ',', '=', '&', '+', '*', '/', '%', '!', '<', '>', '?', ':', '.']) || ends_in_operator(line)
    {
        return true;
    }
    let directly = next.trim_start_matches([' ', '\t']);
    let next = next.trim_start();
    let word = next.split(|c: char| !c.is_ascii_alphabetic()).next().unwrap_or_default();
    directly.starts_with(['.', '&']) || next.starts_with(['|', '{']) || GO_BACK.contains(&word)
}

fn ends_in_operator(line: &str) -> bool {
    let last = line.rsplit(|c: char| c.is_whitespace() || ")]}".contains(c)).next().unwrap_or_default();
    let Some(word) = last.strip_prefix('-') else { return false };
    let is_one = |word: &str| OPERATORS.contains(&word);
    word.is_empty() || is_one(word) || word.strip_prefix(['c', 'i']).is_some_and(is_one)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn any_brackets_are_taken_apart_in_a_moment() {
        for piece in ["(", "{", "([{", ")", "(]", "\n", "f |\n", "{\n", "$(f\n)\n", "a -join\n"] {
            let code = piece.repeat((256 << 10) / piece.len());
            let groups = groups(&code);
            assert!(
                groups.iter().all(|group| !group.statements.is_empty() && group.inside.end <= code.len()),
                "{piece}"
            );
        }
    }
}
