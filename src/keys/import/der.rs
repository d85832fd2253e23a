//! DER, as much of it as keys need: read in place, so that nothing secret is copied.

pub(super) const INTEGER: u8 = 0x02;
pub(super) const BIT_STRING: u8 = 0x03;
pub(super) const OCTET_STRING: u8 = 0x04;
pub(super) const OID: u8 = 0x06;
pub(super) const SEQUENCE: u8 = 0x30;
/// `[0]` and `[1]`, constructed.
pub(super) const CONTEXT: [u8; 2] = [0xa0, 0xa1];

/// The elements that are left of a constructed value.
#[derive(Clone, Copy)]
pub(super) struct Der<'a>(pub(super) &'a [u8]);

impl<'a> Der<'a> {
    /// The elements of `bytes`, which must be one sequence and nothing after it.
    pub(super) fn sequence_of(bytes: &'a [u8]) -> Option<Self> {
        let mut outer = Self(bytes);
        let inner = outer.sequence()?;
        outer.0.is_empty().then_some(inner)
    }

    /// The tag of the next element.
    pub(super) fn tag(&self) -> Option<u8> {
        self.0.first().copied()
    }

    /// The content of the next element, if it has this tag.
    pub(super) fn take(&mut self, tag: u8) -> Option<&'a [u8]> {
        let (&found, rest) = self.0.split_first()?;
        if found != tag {
            return None;
        }
        let (&first, mut rest) = rest.split_first()?;
        let length = match first {
            0..=0x7f => usize::from(first),
            0x81..=0x84 => {
                let (digits, after) = rest.split_at_checked(usize::from(first & 0x7f))?;
                rest = after;
                digits.iter().fold(0, |length, &digit| length << 8 | usize::from(digit))
            }
            _ => return None,
        };
        let (content, after) = rest.split_at_checked(length)?;
        self.0 = after;
        Some(content)
    }

    pub(super) fn sequence(&mut self) -> Option<Self> {
        self.take(SEQUENCE).map(Self)
    }

    /// A number that is not negative, without leading zeros.
    pub(super) fn unsigned(&mut self) -> Option<&'a [u8]> {
        let bytes = self.take(INTEGER)?;
        if bytes.first().is_none_or(|&first| first >= 0x80) {
            return None;
        }
        let zeros = bytes.iter().take_while(|&&byte| byte == 0).count();
        bytes.get(zeros..)
    }

    /// A small number; what does not fit is as large as can be.
    pub(super) fn number(&mut self) -> Option<u64> {
        let bytes = self.unsigned()?;
        let number = bytes.iter().fold(0, |number, &byte| number << 8 | u64::from(byte));
        Some(if bytes.len() > 8 { u64::MAX } else { number })
    }

    /// The bits of a bit string of whole bytes.
    pub(super) fn bits(&mut self) -> Option<&'a [u8]> {
        self.take(BIT_STRING)?.strip_prefix(&[0])
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lengths_in_both_forms_are_read_and_those_that_lie_are_refused() {
        assert_eq!(Der(&[4, 2, 7, 8]).take(OCTET_STRING), Some(&[7, 8][..]));
        assert_eq!(Der(&[4, 0x81, 1, 7]).take(OCTET_STRING), Some(&[7][..]));
        for lie in [&[4, 3, 7, 8][..], &[4], &[], &[4, 0x80, 0, 0], &[4, 0x84, 0xff, 0xff, 0xff, 0xff, 1], &[2, 0]] {
            assert_eq!(Der(lie).take(OCTET_STRING), None);
        }
    }

    #[test]
    fn numbers_are_not_negative_and_never_wrap() {
        assert_eq!(Der(&[2, 2, 0, 0x80]).number(), Some(128));
        assert_eq!(Der(&[2, 1, 0x80]).number(), None);
        assert_eq!(Der(&[2, 9, 1, 0, 0, 0, 0, 0, 0, 0, 0]).number(), Some(u64::MAX));
    }
}
