//! How secrets begin, and what follows then.

/// One kind of secret.
pub(super) struct Rule {
    pub(super) begins: &'static [u8],
    pub(super) what: &'static str,
    pub(super) shape: Shape,
}

/// What follows the beginning.
#[derive(Clone, Copy)]
pub(super) enum Shape {
    /// A PEM block.
    Block,
    /// A PuTTY key file.
    Putty,
    /// So many letters of a kind, and no more of them after.
    Tail { letters: Letters, least: usize, most: usize },
}

/// The letters of a token.
#[derive(Clone, Copy)]
pub(super) enum Letters {
    /// Capitals and digits.
    Capitals,
    /// Letters and digits.
    Alphanumeric,
    /// These and `_`, `-`.
    Word,
    /// These and `.`.
    Dotted,
    /// Base64.
    Base64,
}

impl Letters {
    pub(super) fn take(self, byte: u8) -> bool {
        match self {
            Self::Capitals => byte.is_ascii_uppercase() || byte.is_ascii_digit(),
            Self::Alphanumeric => byte.is_ascii_alphanumeric(),
            Self::Word => byte.is_ascii_alphanumeric() || matches!(byte, b'_' | b'-'),
            Self::Dotted => byte.is_ascii_alphanumeric() || matches!(byte, b'_' | b'-' | b'.'),
            Self::Base64 => byte.is_ascii_alphanumeric() || matches!(byte, b'+' | b'/' | b'='),
        }
    }
}

/// Longer than any token: what goes on is data.
const LONG: usize = 400;

const fn token(begins: &'static [u8], what: &'static str, letters: Letters, least: usize, most: usize) -> Rule {
    Rule { begins, what, shape: Shape::Tail { letters, least, most } }
}

/// Only what is secret wherever it stands. Keys that are made for pages (of maps, say) are not among them.
pub(super) const RULES: &[Rule] = &[
    Rule { begins: b"-----BEGIN ", what: "a private key", shape: Shape::Block },
    Rule { begins: b"PuTTY-User-Key-File-", what: "a PuTTY private key", shape: Shape::Putty },
    token(b"AGE-SECRET-KEY-1", "an age key", Letters::Capitals, 58, 58),
    token(b"AKIA", "an AWS access key", Letters::Capitals, 16, 16),
    token(b"ASIA", "an AWS access key", Letters::Capitals, 16, 16),
    token(b"AccountKey=", "an Azure storage key", Letters::Base64, 80, 100),
    token(b"SharedAccessKey=", "an Azure shared access key", Letters::Base64, 40, 100),
    token(b"ghp_", "a GitHub token", Letters::Alphanumeric, 36, LONG),
    token(b"gho_", "a GitHub token", Letters::Alphanumeric, 36, LONG),
    token(b"ghu_", "a GitHub token", Letters::Alphanumeric, 36, LONG),
    token(b"ghs_", "a GitHub token", Letters::Alphanumeric, 36, LONG),
    token(b"ghr_", "a GitHub token", Letters::Alphanumeric, 36, LONG),
    token(b"github_pat_", "a GitHub token", Letters::Word, 50, LONG),
    token(b"glpat-", "a GitLab token", Letters::Word, 20, LONG),
    token(b"xoxa-", "a Slack token", Letters::Word, 24, LONG),
    token(b"xoxb-", "a Slack token", Letters::Word, 24, LONG),
    token(b"xoxp-", "a Slack token", Letters::Word, 24, LONG),
    token(b"xoxr-", "a Slack token", Letters::Word, 24, LONG),
    token(b"xoxs-", "a Slack token", Letters::Word, 24, LONG),
    token(b"sk_live_", "a Stripe key", Letters::Alphanumeric, 16, LONG),
    token(b"rk_live_", "a Stripe key", Letters::Alphanumeric, 16, LONG),
    token(b"npm_", "an npm token", Letters::Alphanumeric, 36, 36),
    token(b"dop_v1_", "a DigitalOcean token", Letters::Alphanumeric, 64, 64),
    token(b"shpat_", "a Shopify token", Letters::Alphanumeric, 32, 32),
    token(b"hvs.", "a Vault token", Letters::Word, 60, LONG),
    token(b"sk-ant-", "an Anthropic key", Letters::Word, 60, LONG),
    token(b"sk-proj-", "an OpenAI key", Letters::Word, 40, LONG),
    token(b"SG.", "a SendGrid key", Letters::Dotted, 66, 66),
];
