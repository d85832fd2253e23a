//! Lists of commands: what separates them, and the words that open and close groups.

use super::{DEEPEST, OUTSIDE, Scan, Word};

/// What ends a list.
#[derive(Clone, Copy, PartialEq)]
pub(super) enum Until {
    End,
    Paren,
}

/// A list that is being read.
pub(super) struct List {
    /// The words of the command that is being read.
    pub(super) words: Vec<Word>,
    /// The placeholders in what is redirected into it.
    pub(super) input: Vec<usize>,
    /// For each `case` around: whether a pattern comes next.
    cases: Vec<bool>,
    /// The groups around, the list itself first.
    groups: Vec<Group>,
    after_pipe: bool,
    time: Time,
    /// Behind `&>`: bash and zsh take it for a redirection, other shells for the end of the command.
    pub(super) in_two_ways: bool,
}

/// The keyword `time`, before a command.
#[derive(Clone, Copy, PartialEq)]
enum Time {
    /// It is not there.
    None,
    /// Its options may come.
    Options,
    /// The word of an option comes.
    Word,
}

/// `{ … }`, a loop, a condition: its commands share what is written into it.
struct Group {
    /// Where its pipeline begins.
    pipeline: usize,
    /// Where its command begins: behind the last `|`.
    command: usize,
    /// The placeholders in what is written into the group.
    fed: Vec<usize>,
}

impl List {
    fn new(at: usize, fed: Vec<usize>) -> Self {
        let groups = vec![Group { pipeline: at, command: at, fed }];
        let (words, input, cases) = (Vec::new(), Vec::new(), Vec::new());
        Self { words, input, cases, groups, after_pipe: false, time: Time::None, in_two_ways: false }
    }

    fn in_pattern(&self) -> bool {
        self.cases.last() == Some(&true)
    }

    fn pattern_comes(&mut self, comes: bool) {
        if let Some(pattern) = self.cases.last_mut() {
            *pattern = comes;
        }
    }

    /// Whether the words so far are these, in plain letters.
    fn begins_with(&self, names: &[&str], count: usize) -> bool {
        self.words.len() == count
            && self.words.first().is_some_and(|word| word.is_plain() && names.contains(&word.text.as_str()))
    }

    fn in_test(&self) -> bool {
        self.words.first().is_some_and(|word| word.is_plain() && word.text == "[[")
    }

    fn begin_pipeline(&mut self, at: usize) {
        if let Some(group) = self.groups.last_mut() {
            (group.pipeline, group.command) = (at, at);
        }
        (self.after_pipe, self.time) = (false, Time::None);
    }

    fn close_group(&mut self) {
        if self.groups.len() > 1 {
            self.groups.pop();
        }
    }
}

impl Scan<'_> {
    /// What stands in parentheses, from behind the first to behind the last.
    pub(super) fn in_parentheses(&mut self, fed: Vec<usize>) {
        self.list(Until::Paren, fed);
    }

    /// Commands until the end of the text or of the parenthesis.
    pub(super) fn list(&mut self, until: Until, fed: Vec<usize>) {
        self.depth += 1;
        let mut list = List::new(self.at, fed);
        while !self.is_at_end() && self.depth < DEEPEST {
            match self.peek(0) {
                b' ' | b'\t' => self.at += 1,
                b'\\' if self.peek(1) == b'\n' => self.at += 2,
                b'\n' => self.line_end(&mut list),
                b'#' => self.comment(),
                b';' | b'|' => self.separator(&mut list),
                b'&' => {
                    self.finish(&mut list);
                    list.in_two_ways = self.peek(1) == b'>';
                    self.at += if self.peek(1) == b'&' { 2 } else { 1 };
                    list.begin_pipeline(self.at);
                }
                b')' if list.in_pattern() => {
                    self.at += 1;
                    list.words.clear();
                    list.pattern_comes(false);
                    list.begin_pipeline(self.at);
                }
                b')' => {
                    self.finish(&mut list);
                    self.at += 1;
                    if until == Until::Paren {
                        self.depth -= 1;
                        return;
                    }
                }
                b'(' if list.in_pattern() => self.at += 1,
                b'(' => self.open(&mut list),
                b'<' | b'>' if self.peek(1) != b'(' => {
                    self.fed = self.fed(&list);
                    self.redirection(&mut list);
                }
                _ => {
                    self.fed = self.fed(&list);
                    let word = self.word();
                    self.add(word, &mut list);
                }
            }
        }
        self.finish(&mut list);
        if until == Until::Paren {
            self.fault_at(self.at, "a parenthesis does not end", "close it");
        }
        self.depth -= 1;
    }

    fn line_end(&mut self, list: &mut List) {
        self.finish(list);
        self.at += 1;
        if !list.after_pipe {
            list.begin_pipeline(self.at);
        }
        self.here_documents();
    }

    fn separator(&mut self, list: &mut List) {
        let (first, second) = (self.peek(0), self.peek(1));
        if list.in_pattern() {
            list.words.clear();
        }
        self.finish(list);
        let ends_case = first == b';' && matches!(second, b';' | b'&');
        let is_pipe = first == b'|' && second != b'|';
        self.at += if ends_case || first == b'|' && matches!(second, b'|' | b'&') { 2 } else { 1 };
        if ends_case {
            list.pattern_comes(true);
        }
        if is_pipe {
            list.after_pipe = true;
            if let Some(group) = list.groups.last_mut() {
                group.command = self.at;
            }
        } else {
            list.begin_pipeline(self.at);
        }
    }

    fn add(&mut self, word: Word, list: &mut List) {
        list.after_pipe = false;
        if list.in_two_ways {
            for slot in word.slots.iter().chain(&word.inner) {
                self.fault(*slot, "stands behind `&>`, which shells read in two ways", "write `>FILE 2>&1`");
            }
        }
        if list.time == Time::Word && list.words.is_empty() {
            list.time = Time::Options;
            return;
        }
        if word.is_plain() && self.opens_or_closes(&word.text, list) {
            return;
        }
        let ends_test = (list.in_test() || self.in_test) && word.is_plain() && word.text == "]]";
        list.words.push(word);
        if ends_test {
            self.finish(list); // zsh takes what follows for a command
        }
    }

    /// Whether a plain word only opens, closes or divides a group.
    fn opens_or_closes(&mut self, text: &str, list: &mut List) -> bool {
        if list.words.is_empty() {
            return match text {
                "then" | "elif" | "else" | "do" | "!" => true,
                "time" => {
                    list.time = Time::Options;
                    true
                }
                "if" | "while" | "until" | "{" => {
                    self.open_group(list);
                    true
                }
                "for" | "select" | "case" => {
                    self.open_group(list);
                    false
                }
                "fi" | "done" | "}" => {
                    list.close_group();
                    true
                }
                "esac" => {
                    list.cases.pop();
                    list.close_group();
                    true
                }
                option => {
                    let is_option = list.time == Time::Options && option.starts_with('-');
                    if is_option && matches!(option, "-f" | "-o" | "--format" | "--output") {
                        list.time = Time::Word;
                    }
                    is_option
                }
            };
        }
        if text == "in" && list.begins_with(&["case"], 2) {
            list.words.clear();
            list.cases.push(true);
            return true;
        }
        if text == "do" && list.begins_with(&["for", "select"], 2) {
            self.finish(list);
            return true;
        }
        let before_brace = ["function", "coproc", "always", "repeat"];
        if text == "{" && (list.begins_with(&before_brace, 1) || list.begins_with(&before_brace, 2)) {
            self.defines(&list.words);
            list.words.clear();
            self.open_group(list);
            return true;
        }
        false
    }

    fn open_group(&self, list: &mut List) {
        let fed = self.fed(list);
        list.groups.push(Group { pipeline: self.at, command: self.at, fed });
    }

    /// The placeholders in what is written into the command that is being read.
    pub(super) fn fed(&self, list: &List) -> Vec<usize> {
        let Some(group) = list.groups.last() else { return Vec::new() };
        let mut fed = group.fed.clone();
        fed.extend(self.slots_between(group.pipeline, group.command));
        fed.extend(&list.input);
        fed
    }

    /// A parenthesis where a command or a word could begin.
    fn open(&mut self, list: &mut List) {
        let touches = list.words.last().is_some_and(|word| word.end == self.at);
        let begins = list.words.is_empty() || list.begins_with(&["for"], 1);
        if begins && self.peek(1) == b'(' {
            self.arithmetic();
            list.words.clear();
        } else if let Some(end) = self.empty_parentheses().filter(|_| !list.words.is_empty()) {
            self.defines(&list.words);
            list.words.clear();
            self.at = end;
        } else if touches {
            if let Some(word) = list.words.last().cloned() {
                self.may_be_list(&word);
            }
            let start = self.at;
            self.balanced(b'(', b')', true);
            self.fault_between(start, self.at, "stands inside parentheses of a word", OUTSIDE);
        } else {
            let fed = self.fed(list);
            self.finish(list);
            self.at += 1;
            self.in_parentheses(fed);
        }
    }
}
