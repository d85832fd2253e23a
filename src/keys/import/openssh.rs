//! OpenSSH's own format (PROTOCOL.key).

use ssh_key::{Cipher, Kdf, PrivateKey};
use zeroize::Zeroizing;

use super::cbc::Block;
use super::error::{ImportError, damaged, shown};
use super::pair;
use super::wire::Wire;

const MAGIC: &[u8] = b"openssh-key-v1\0";

/// OpenSSH's default is 16 (24 since 9.4), and a hundred rounds take a second.
const MAX_ROUNDS: u32 = 1024;

const CONVERT: &str = "give it another with `ssh-keygen -p -f FILE` (16 rounds, aes256-ctr)";

/// The outer fields.
struct Container<'a> {
    cipher: &'a [u8],
    kdf: &'a [u8],
    kdf_options: &'a [u8],
    public: &'a [u8],
    private: &'a [u8],
    tag: &'a [u8],
}

/// Reads the bytes of a key; tells whether it was encrypted.
pub(super) fn read(bytes: &[u8], passphrase: Option<&[u8]>) -> Result<(PrivateKey, bool), ImportError> {
    let container = Container::parse(bytes)?;
    let kind = container.kind()?;
    if container.cipher == b"none" {
        return Ok((
            private_part(kind, container.public, container.private, || damaged("its check numbers differ"))?,
            false,
        ));
    }
    let opened = container.decrypt(passphrase)?;
    Ok((private_part(kind, container.public, &opened, || ImportError::WrongPassphrase)?, true))
}

impl<'a> Container<'a> {
    fn parse(bytes: &'a [u8]) -> Result<Self, ImportError> {
        let cut = || damaged("a field is missing, or longer than the file");
        let rest = bytes.strip_prefix(MAGIC).ok_or_else(|| damaged("it does not begin as an OpenSSH key does"))?;
        let mut wire = Wire(rest);
        let mut next = || wire.string().ok_or_else(cut);
        let (cipher, kdf, kdf_options) = (next()?, next()?, next()?);
        match wire.u32().ok_or_else(cut)? {
            1 => {}
            count @ 2..=16 => return Err(ImportError::Several { count: usize::try_from(count).unwrap_or(0) }),
            _ => return Err(damaged("the number of keys in it makes no sense")),
        }
        let mut next = || wire.string().ok_or_else(cut);
        let (public, private) = (next()?, next()?);
        Ok(Self { cipher, kdf, kdf_options, public, private, tag: wire.0 })
    }

    /// The kind of key, if it is of use.
    fn kind(&self) -> Result<&'a [u8], ImportError> {
        let kind = Wire(self.public).string().ok_or_else(|| damaged("its public part is cut off"))?;
        pair::refuse_kind(kind)?;
        let known = [&b"ssh-ed25519"[..], b"ssh-rsa"].contains(&kind) || pair::curve(kind).is_some();
        if known { Ok(kind) } else { Err(ImportError::Kind { kind: shown(kind), why: "which is not known here" }) }
    }

    fn decrypt(&self, passphrase: Option<&[u8]>) -> Result<Zeroizing<Vec<u8>>, ImportError> {
        let name = std::str::from_utf8(self.cipher).unwrap_or_default();
        let unread = || ImportError::Cipher { name: shown(self.cipher), remedy: CONVERT };
        let cipher = Cipher::new(name).map_err(|_| unread())?;
        let kdf = self.key_derivation()?;
        let passphrase = passphrase.ok_or(ImportError::PassphraseMissing { form: "OpenSSH" })?;
        let tag = match (cipher.has_tag(), self.tag) {
            (true, tag) => Some(tag.try_into().map_err(|_| damaged("its authentication tag has the wrong length"))?),
            (false, []) => None,
            (false, _) => return Err(damaged("something follows its private part")),
        };
        if !self.private.len().is_multiple_of(cipher.block_size()) {
            return Err(damaged("its private part is cut off"));
        }
        let bad_kdf = |_| damaged("the salt of its passphrase is missing");
        let (key, iv) = kdf.derive_key_and_iv(cipher, passphrase).map_err(bad_kdf)?;
        let mut buffer = Zeroizing::new(self.private.to_vec());
        if cipher == Cipher::TdesCbc {
            Block::TripleDes.decrypt(&key, &iv, &mut buffer).ok_or_else(unread)?;
            return Ok(buffer);
        }
        match cipher.decrypt(&key, &iv, &mut buffer, tag) {
            Ok(()) => Ok(buffer),
            Err(_) if cipher.has_tag() => Err(ImportError::WrongPassphrase),
            Err(_) => Err(unread()),
        }
    }

    /// How the passphrase becomes a key, if that is affordable.
    fn key_derivation(&self) -> Result<Kdf, ImportError> {
        if self.kdf != b"bcrypt" {
            let name = format!("the key derivation {}", shown(self.kdf));
            return Err(ImportError::Cipher { name, remedy: CONVERT });
        }
        let mut wire = Wire(self.kdf_options);
        let (salt, rounds) = (wire.string(), wire.u32());
        let (Some(salt), Some(rounds @ 1..)) = (salt, rounds) else {
            return Err(damaged("the salt or the rounds of its passphrase are missing"));
        };
        if rounds > MAX_ROUNDS {
            return Err(ImportError::Cost { what: format!("{rounds} rounds of bcrypt"), remedy: CONVERT });
        }
        Ok(Kdf::Bcrypt { salt: salt.to_vec(), rounds })
    }
}

/// The decrypted part: two equal numbers, the key, its comment, and padding that counts up from 1.
fn private_part(
    kind: &[u8],
    public: &[u8],
    private: &[u8],
    numbers_differ: impl Fn() -> ImportError,
) -> Result<PrivateKey, ImportError> {
    let cut = || damaged("its private part is cut off");
    let mut wire = Wire(private);
    let (one, two) = (wire.u32().ok_or_else(cut)?, wire.u32().ok_or_else(cut)?);
    if one != two {
        return Err(numbers_differ());
    }
    if wire.string().ok_or_else(cut)? != kind {
        return Err(pair::halves());
    }
    let key = pair::from_wire(kind, &mut wire)?;
    if key.public_key().to_bytes().ok().as_deref() != Some(public) {
        return Err(pair::halves());
    }
    let _comment = wire.string().ok_or_else(cut)?;
    let counts_up = wire.0.iter().zip(1..=255).all(|(&byte, count)| byte == count);
    if counts_up && wire.0.len() < 256 {
        Ok(key)
    } else {
        Err(damaged("the end of its private part is not what it must be"))
    }
}
