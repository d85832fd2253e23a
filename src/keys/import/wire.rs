//! Fields as SSH writes them: a length of four bytes, then the content.

/// Reads fields without copying them.
pub(super) struct Wire<'a>(pub(super) &'a [u8]);

impl<'a> Wire<'a> {
    pub(super) fn bytes(&mut self, length: usize) -> Option<&'a [u8]> {
        let (head, rest) = self.0.split_at_checked(length)?;
        self.0 = rest;
        Some(head)
    }

    pub(super) fn u32(&mut self) -> Option<u32> {
        Some(u32::from_be_bytes(self.bytes(4)?.try_into().ok()?))
    }

    pub(super) fn string(&mut self) -> Option<&'a [u8]> {
        let length = usize::try_from(self.u32()?).ok()?;
        self.bytes(length)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_field_longer_than_what_is_there_is_none() {
        let mut wire = Wire(&[0, 0, 0, 1, 7, 0xff, 0xff, 0xff, 0xff, 1]);
        assert_eq!((wire.string(), wire.string(), wire.string()), (Some(&[7][..]), None, None));
    }
}
