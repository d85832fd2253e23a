//! Where the repository is, how to get there, and with which pair of the key.

use std::future::Future;
use std::sync::Arc;
use std::time::Duration;

use super::super::Settings;
use super::super::advertisement::Advertisement;
use super::super::error::{Asking, WireError};
use super::rotation::{Rotation, is_refusal, neither, service};
use super::talk::{Failed, Talk};
use crate::domain::{Failure, FailureClass};
use crate::ports::{GitService, Pair, SessionClass, SshSessions, SshTarget};

/// See the module.
pub(super) struct Server {
    target: SshTarget,
    path: String,
    sessions: Arc<dyn SshSessions>,
    idle: Duration,
    writes: bool,
    rotation: Rotation,
}

impl Server {
    /// The repository at `path` on `target`.
    pub(super) fn new(settings: &Settings, target: SshTarget, path: &str) -> Self {
        Self {
            target,
            path: path.to_owned(),
            sessions: Arc::clone(&settings.sessions),
            idle: settings.limits.idle,
            writes: settings.writes,
            rotation: Rotation::new(settings.limits.rotation),
        }
    }

    /// Starts a command on it.
    ///
    /// # Errors
    /// That of the session.
    pub(super) async fn talk(&self, class: SessionClass, asking: Asking, version_2: bool) -> Result<Talk, Failure> {
        let to = (&self.target, class, self.rotation.pair(asking));
        let talk = Talk::start(self.sessions.as_ref(), to, (asking, &self.path), version_2, self.idle).await?;
        if let Some(used) = &talk.key {
            self.rotation.runs_with(used);
        }
        Ok(talk)
    }

    /// Reads what the service says first. With that, it has let the key through.
    ///
    /// # Errors
    /// [`WireError`].
    pub(super) async fn advertisement(&self, talk: &mut Talk) -> Result<Advertisement, WireError> {
        let advertisement = Advertisement::read(&mut talk.output).await?;
        // A forced command may answer a question about writing with what it has for readers.
        if talk.asking == Asking::Write && !advertisement.capabilities.has("report-status") {
            return Err(read_only().into());
        }
        talk.answered = true;
        if let Some(used) = &talk.key
            && self.rotation.answered(used, talk.asking)
        {
            self.sessions.answered(&self.target, used, service(talk.asking)).await;
            if talk.asking == Asking::Read && !self.writes {
                self.sessions.answered(&self.target, used, GitService::Write).await;
            }
        }
        Ok(advertisement)
    }

    /// A running `git-receive-pack` that has said what it has.
    ///
    /// # Errors
    /// That of the session, or of the command.
    pub(super) async fn offer(&self, class: SessionClass) -> Result<(Talk, Advertisement), Failure> {
        let mut started_again = false;
        loop {
            let mut talk = self.talk(class, Asking::Write, false).await?;
            match self.advertisement(&mut talk).await {
                Ok(advertisement) => return Ok((talk, advertisement)),
                Err(error) => self.explain(talk, error).await.start_again(&mut started_again)?,
            }
        }
    }

    /// Ends the command, and says what its failure means. Takes note when the service refused the new pair of a key that is
    /// being rotated.
    pub(super) async fn explain(&self, talk: Talk, error: WireError) -> Failed {
        let (key, asking, answered) = (talk.key.clone(), talk.asking, talk.answered);
        let mut failed = talk.explain(error).await;
        if !answered && self.target.host.eq_ignore_ascii_case("bitbucket.org") {
            failed.failure.remedy = with_hint(&failed.failure.remedy);
        }
        if let Some(used) = &key
            && !answered
            && is_refusal(&failed.failure)
        {
            self.rotation.refused(used, asking, &failed.failure);
        }
        failed
    }

    /// Runs `work`, and once more with the key pair before when the service refused the new one to it.
    ///
    /// # Errors
    /// That of `work`, or what became of it with either pair.
    pub(super) async fn with_stand_in<T, F>(&self, asking: Asking, work: impl Fn() -> F + Send) -> Result<T, Failure>
    where
        F: Future<Output = Result<T, Failure>> + Send,
    {
        let before = self.rotation.pair(asking);
        let refused = match work().await {
            Err(failure) if is_refusal(&failure) => failure,
            other => return other,
        };
        if before == Pair::Previous || self.rotation.pair(asking) == Pair::Current {
            return Err(refused);
        }
        let second = work().await;
        second.map_err(|second| neither(refused, self.rotation.forget_refusal(asking).as_deref(), &second))
    }

    /// Whether the new key pair may read, and it is time to ask whether it may push.
    pub(super) fn write_is_to_be_checked(&self) -> bool {
        self.writes && self.rotation.write_is_to_be_checked()
    }

    /// Has a channel opened for the next command of this class.
    pub(super) async fn open_ahead(&self, class: SessionClass) {
        self.sessions.open_ahead(&self.target, class).await;
    }

    /// See [`SshSessions::try_at_once`].
    pub(super) fn try_at_once(&self) {
        self.rotation.try_at_once();
        self.sessions.try_at_once(&self.target);
    }
}

/// What failed after the login at a host that may not serve Git any more; what fails before it says so by itself.
fn with_hint(remedy: &str) -> String {
    let stop = if remedy.is_empty() { "" } else { "; " };
    format!(
        "{remedy}{stop}Bitbucket Cloud moves Git over SSH from bitbucket.org to ssh.bitbucket.org (announced for \
         2026-11-12): try git@ssh.bitbucket.org:… in the URL, and trust its host key by its fingerprint"
    )
}

fn read_only() -> Failure {
    Failure::new(
        FailureClass::Refused,
        "the server lets this key read, but not push: it answers git-receive-pack as if it had been asked to send",
        "give the key write access: at a provider, the deploy key's write option; in authorized_keys, a command that also runs git-receive-pack",
    )
}
