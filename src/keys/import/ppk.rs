//! PuTTY's own format, versions 2 and 3. Read here and not with ssh-key, which leaves the passphrase in memory, quotes lines in its
//! errors and sets no limit to what a file may ask for.

use std::collections::BTreeMap;

use argon2::Argon2;
use hmac::{Hmac, KeyInit, Mac};
use sha1::{Digest, Sha1};
use sha2::Sha256;
use ssh_key::PrivateKey;
use zeroize::Zeroizing;

use super::cbc::Block;
use super::error::{ImportError, damaged, shown};
use super::pair::{self, RsaNumbers};
use super::pem::hex;
use super::text::{self, Line};
use super::wire::Wire;
use super::{Format, Imported};

/// PuTTYgen's default is 8 MiB and what takes 100 ms.
const MAX_MEMORY_KIB: u32 = 1 << 20;
/// Memory times passes: the time.
const MAX_WORK_KIB: u64 = 8 << 20;
const MAX_LANES: u32 = 64;

const CONVERT: &str = "open it with PuTTYgen, save it again and give that file";
const MAC_PREFIX: &[u8] = b"putty-private-key-file-mac-key";

/// A file's fields, and its two blocks of base64.
struct Ppk<'a> {
    version: Format,
    kind: &'a [u8],
    fields: BTreeMap<&'a [u8], &'a [u8]>,
    public: Zeroizing<Vec<u8>>,
    private: Zeroizing<Vec<u8>>,
}

/// What a passphrase becomes.
struct Keys {
    cipher: Zeroizing<[u8; 32]>,
    iv: Zeroizing<[u8; 16]>,
    mac: Zeroizing<Vec<u8>>,
}

/// Reads the key of these lines.
pub(super) fn read(lines: &[Line], passphrase: Option<&[u8]>) -> Result<Imported, ImportError> {
    let mut ppk = Ppk::parse(lines)?;
    pair::refuse_kind(ppk.kind)?;
    let was_encrypted = match ppk.field(b"Encryption")? {
        b"none" => false,
        b"aes256-cbc" => true,
        other => return Err(ImportError::Cipher { name: shown(other), remedy: CONVERT }),
    };
    let mac_key = if was_encrypted { ppk.decrypt(passphrase)? } else { ppk.mac_key_of_nothing() };
    if !ppk.is_authentic(&mac_key)? {
        let changed = || damaged("its MAC does not fit, so something in the file was changed");
        return Err(if was_encrypted { ImportError::WrongPassphrase } else { changed() });
    }
    Ok(Imported { private: ppk.key()?, was_encrypted, format: ppk.version })
}

impl<'a> Ppk<'a> {
    fn parse(lines: &[Line<'a>]) -> Result<Self, ImportError> {
        let mut lines = lines.iter().filter(|line| !line.text.trim_ascii().is_empty());
        let (name, kind) = lines.next().and_then(field).ok_or_else(|| damaged("its first line is not whole"))?;
        let version = match name {
            b"PuTTY-User-Key-File-2" => Format::Putty2,
            b"PuTTY-User-Key-File-3" => Format::Putty3,
            _ => {
                return Err(ImportError::Cipher {
                    name: "an unknown version of PuTTY's format".to_owned(),
                    remedy: CONVERT,
                });
            }
        };
        let mut ppk = Self { version, kind, fields: BTreeMap::new(), public: empty(), private: empty() };
        while let Some(line) = lines.next() {
            let (name, value) = field(line).ok_or_else(|| damaged(format!("line {} is not a field", line.number)))?;
            if let b"Public-Lines" | b"Private-Lines" = name {
                let count = number(value).and_then(|count| usize::try_from(count).ok());
                let count = count.ok_or_else(|| damaged(format!("line {} is not a number", line.number)))?;
                let block: Vec<&Line> = lines.by_ref().take(count).collect();
                if block.len() < count {
                    return Err(damaged("lines are missing at its end, so the file has been cut off"));
                }
                let bytes = text::base64(block.into_iter())?;
                if name == b"Public-Lines" { ppk.public = bytes } else { ppk.private = bytes }
            } else {
                ppk.fields.insert(name, value);
            }
        }
        Ok(ppk)
    }

    fn field(&self, name: &[u8]) -> Result<&'a [u8], ImportError> {
        let missing = || damaged(format!("its line {} is missing", shown(name)));
        self.fields.get(name).copied().ok_or_else(missing)
    }

    fn number(&self, name: &[u8]) -> Result<u32, ImportError> {
        number(self.field(name)?).ok_or_else(|| damaged(format!("its line {} is not a number", shown(name))))
    }

    /// Decrypts the private block in place; gives the key of the MAC.
    fn decrypt(&mut self, passphrase: Option<&[u8]>) -> Result<Zeroizing<Vec<u8>>, ImportError> {
        let argon2 = if self.version == Format::Putty3 { Some(self.argon2()?) } else { None };
        let passphrase = passphrase.ok_or(ImportError::PassphraseMissing { form: "PuTTY" })?;
        let keys = match argon2 {
            Some((argon2, salt)) => keys_3(&argon2, &salt, passphrase)?,
            None => keys_2(passphrase),
        };
        let opened = Block::Aes256.decrypt(&*keys.cipher, &*keys.iv, &mut self.private);
        opened.ok_or_else(|| damaged("its private part has been cut"))?;
        Ok(keys.mac)
    }

    /// How the passphrase becomes keys, if that is affordable.
    fn argon2(&self) -> Result<(Argon2<'static>, Vec<u8>), ImportError> {
        let algorithm = match self.field(b"Key-Derivation")? {
            b"Argon2id" => argon2::Algorithm::Argon2id,
            b"Argon2i" => argon2::Algorithm::Argon2i,
            b"Argon2d" => argon2::Algorithm::Argon2d,
            other => {
                let name = format!("the key derivation {}", shown(other));
                return Err(ImportError::Cipher { name, remedy: CONVERT });
            }
        };
        let memory = self.number(b"Argon2-Memory")?;
        let passes = self.number(b"Argon2-Passes")?;
        let lanes = self.number(b"Argon2-Parallelism")?;
        if memory > MAX_MEMORY_KIB || u64::from(memory) * u64::from(passes) > MAX_WORK_KIB || lanes > MAX_LANES {
            let what = format!("{passes} passes over {memory} KiB");
            return Err(ImportError::Cost { what, remedy: CONVERT });
        }
        let unusable = || damaged("its Argon2 lines make no sense");
        let params = argon2::Params::new(memory, passes, lanes, None).map_err(|_| unusable())?;
        let salt = hex(self.field(b"Argon2-Salt")?).ok_or_else(unusable)?;
        Ok((Argon2::new(algorithm, argon2::Version::V0x13, params), salt))
    }

    /// The key of the MAC of a file that is not encrypted.
    fn mac_key_of_nothing(&self) -> Zeroizing<Vec<u8>> {
        if self.version == Format::Putty3 { empty() } else { keys_2(b"").mac }
    }

    fn is_authentic(&self, key: &[u8]) -> Result<bool, ImportError> {
        let expected = hex(self.field(b"Private-MAC")?).ok_or_else(|| damaged("its line Private-MAC is not hex"))?;
        let parts = [
            self.kind,
            self.field(b"Encryption")?,
            self.field(b"Comment")?,
            self.public.as_slice(),
            self.private.as_slice(),
        ];
        if self.version == Format::Putty3 {
            authenticate(Hmac::<Sha256>::new_from_slice(key).ok(), &parts, &expected)
        } else {
            authenticate(Hmac::<Sha1>::new_from_slice(key).ok(), &parts, &expected)
        }
    }

    fn key(&self) -> Result<PrivateKey, ImportError> {
        let cut = || damaged("a field of its blocks is missing");
        let (mut public, mut private) = (Wire(&self.public), Wire(&self.private));
        if public.string() != Some(self.kind) {
            return Err(damaged("its blocks are of another kind than its first line"));
        }
        let mut next = || private.string().ok_or_else(cut);
        match self.kind {
            b"ssh-ed25519" => {
                // A number with its lowest byte first: zeros at its end are left out.
                let short = next()?;
                let mut seed = Zeroizing::new([0; 32]);
                let room = seed.get_mut(..short.len()).ok_or_else(cut)?;
                room.copy_from_slice(short);
                pair::ed25519(seed.as_slice(), Some(public.string().ok_or_else(cut)?))
            }
            b"ssh-rsa" => {
                let (e, n) = public.string().zip(public.string()).ok_or_else(cut)?;
                pair::rsa(&RsaNumbers { n, e, d: next()?, p: next()?, q: next()? })
            }
            kind => {
                let unknown = || ImportError::Kind { kind: shown(kind), why: "which is not known here" };
                let curve = pair::curve(kind).ok_or_else(unknown)?;
                let (_its_name_again, point) = public.string().zip(public.string()).ok_or_else(cut)?;
                pair::ecdsa(curve, next()?, Some(point))
            }
        }
    }
}

fn keys_2(passphrase: &[u8]) -> Keys {
    let mut cipher = Zeroizing::new([0; 32]);
    for (count, part) in (0u8..).zip(cipher.chunks_mut(20)) {
        let digest = Sha1::new().chain_update([0, 0, 0, count]).chain_update(passphrase).finalize();
        part.iter_mut().zip(&digest).for_each(|(to, from)| *to = *from);
    }
    let mac = Sha1::new().chain_update(MAC_PREFIX).chain_update(passphrase).finalize().to_vec();
    Keys { cipher, iv: Zeroizing::new([0; 16]), mac: Zeroizing::new(mac) }
}

fn keys_3(argon2: &Argon2, salt: &[u8], passphrase: &[u8]) -> Result<Keys, ImportError> {
    let mut all = Zeroizing::new([0; 80]);
    let failed = |_| damaged("its Argon2 lines make no sense");
    argon2.hash_password_into(passphrase, salt, all.as_mut_slice()).map_err(failed)?;
    let (mut cipher, mut iv) = (Zeroizing::new([0; 32]), Zeroizing::new([0; 16]));
    let (first, rest) = all.split_at(32);
    let (second, third) = rest.split_at(16);
    cipher.copy_from_slice(first);
    iv.copy_from_slice(second);
    Ok(Keys { cipher, iv, mac: Zeroizing::new(third.to_vec()) })
}

fn authenticate<M: Mac>(mac: Option<M>, parts: &[&[u8]], expected: &[u8]) -> Result<bool, ImportError> {
    let mut mac = mac.ok_or(ImportError::WrongPassphrase)?; // keys of any length are taken
    for part in parts {
        let length = u32::try_from(part.len()).unwrap_or(u32::MAX);
        mac.update(&length.to_be_bytes());
        mac.update(part);
    }
    Ok(mac.verify_slice(expected).is_ok())
}

/// `name: value`.
fn field<'a>(line: &Line<'a>) -> Option<(&'a [u8], &'a [u8])> {
    let colon = line.text.iter().position(|&byte| byte == b':')?;
    let (name, value) = line.text.split_at_checked(colon)?;
    let value = value.strip_prefix(b":")?;
    Some((name, value.strip_prefix(b" ").unwrap_or(value)))
}

fn number(text: &[u8]) -> Option<u32> {
    std::str::from_utf8(text).ok()?.trim().parse().ok()
}

fn empty() -> Zeroizing<Vec<u8>> {
    Zeroizing::new(Vec::new())
}
