//! What is done with a command whose words are all there, and in the end with the script.

use super::list::{List, Until};
use super::{Scan, Word};
use crate::domain::shell::posix::commands;

/// The commands of a group are looked at before it is known what is redirected into it.
const INTO_ONE: &str = "redirect it into one command; or pipe it: printf '%s' {{…}} | { …; }";

impl Scan<'_> {
    /// The whole script.
    pub(super) fn script(&mut self) {
        self.list(Until::End, Vec::new());
        let fed = self.functions.fed();
        if !fed.is_empty() || self.declared.any() {
            self.at = 0;
            self.heredocs.clear();
            self.in_test = false;
            self.printed.clear();
            // Any command may be in a function, and a variable may be used before the line that declares it.
            self.list(Until::End, fed);
        }
    }

    pub(super) fn finish(&mut self, list: &mut List) {
        let fed = self.fed(list);
        let words = std::mem::take(&mut list.words);
        let input = std::mem::take(&mut list.input);
        list.in_two_ways = false;
        let is_exec = words.first().is_some_and(|word| word.is_plain() && word.text == "exec");
        if words.is_empty() || is_exec && words.len() == 1 {
            for slot in input {
                self.fault(slot, "is what a group reads, or all that follows `exec`", INTO_ONE);
            }
        }
        let is = |word: &Word, text: &str| word.is_plain() && word.text == text;
        let opens = words.first().is_some_and(|word| is(word, "[["));
        if self.in_test {
            commands::check_test(self, &words);
        }
        self.in_test = (self.in_test || opens) && !words.iter().any(|word| is(word, "]]"));
        self.may_call(&words, &fed);
        self.may_declare(&words);
        commands::check(self, &words, &fed);
        self.prints(&words, &fed);
    }

    /// Which values come out of this command, as far as is known: those among the words of a program that prints them, and
    /// those that came out of the command before, if it passes its input on.
    fn prints(&mut self, words: &[Word], fed: &[usize]) {
        let (words_printed, input_printed) = commands::prints(words);
        if !input_printed {
            self.printed.retain(|slot| !fed.contains(slot));
        }
        for word in words {
            if words_printed {
                self.printed.extend(&word.slots);
            } else {
                self.printed.retain(|slot| !word.inner.contains(slot));
            }
        }
    }
}
