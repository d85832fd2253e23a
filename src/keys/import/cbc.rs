//! Block ciphers in chaining mode, as old key files use them.

use aes::{Aes128, Aes192, Aes256};
use cbc::Decryptor;
use cbc::cipher::block_padding::NoPadding;
use cbc::cipher::{BlockCipherDecrypt, BlockModeDecrypt, KeyInit, KeyIvInit};
use des::TdesEde3;

/// A block cipher.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Block {
    Aes128,
    Aes192,
    Aes256,
    TripleDes,
}

impl Block {
    pub(super) const fn key_len(self) -> usize {
        match self {
            Self::Aes128 => 16,
            Self::Aes192 | Self::TripleDes => 24,
            Self::Aes256 => 32,
        }
    }

    pub(super) const fn block_len(self) -> usize {
        match self {
            Self::TripleDes => 8,
            _ => 16,
        }
    }

    /// Decrypts `buffer` in place. `None` if a length is wrong.
    pub(super) fn decrypt(self, key: &[u8], iv: &[u8], buffer: &mut [u8]) -> Option<()> {
        match self {
            Self::Aes128 => decrypt::<Aes128>(key, iv, buffer),
            Self::Aes192 => decrypt::<Aes192>(key, iv, buffer),
            Self::Aes256 => decrypt::<Aes256>(key, iv, buffer),
            Self::TripleDes => decrypt::<TdesEde3>(key, iv, buffer),
        }
    }

    /// Decrypts `buffer` in place and takes the padding off. `None` if a length or the padding is wrong.
    pub(super) fn decrypt_padded<'a>(self, key: &[u8], iv: &[u8], buffer: &'a mut [u8]) -> Option<&'a [u8]> {
        self.decrypt(key, iv, buffer)?;
        let padding = usize::from(*buffer.last()?);
        let (content, end) = buffer.split_at_checked(buffer.len().checked_sub(padding)?)?;
        let fits = (1..=self.block_len()).contains(&padding) && end.iter().all(|&byte| usize::from(byte) == padding);
        fits.then_some(content)
    }
}

fn decrypt<C: BlockCipherDecrypt + KeyInit>(key: &[u8], iv: &[u8], buffer: &mut [u8]) -> Option<()> {
    let decryptor = Decryptor::<C>::new_from_slices(key, iv).ok()?;
    decryptor.decrypt_padded::<NoPadding>(buffer).ok().map(drop)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn wrong_lengths_and_wrong_padding_are_none() {
        let (key, iv) = ([7; 32], [0; 16]);
        assert_eq!(Block::Aes256.decrypt(&key[..31], &iv, &mut [0; 16]), None);
        assert_eq!(Block::Aes256.decrypt(&key, &iv, &mut [0; 15]), None);
        assert_eq!(Block::Aes256.decrypt_padded(&key, &iv, &mut []), None);
        assert_eq!(Block::Aes256.decrypt_padded(&key, &iv, &mut [0; 16]), None);
    }
}
