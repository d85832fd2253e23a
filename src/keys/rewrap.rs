//! Moving all data keys to the first master key.

use std::collections::BTreeMap;

use super::error::{KeyError, MasterKeyError};
use super::seal;
use super::service::KeyService;
use crate::ports::AuditEntry;

/// Each batch is read by itself, each record written by itself: an interruption loses nothing, and the next run goes on.
const BATCH: u32 = 100;

/// Far more than needed, so that nothing can make this go on for ever.
const MOST_WALKS: usize = 20;

/// What became of the records.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Rewrapped {
    /// The first master key, which wraps them now.
    pub to: String,
    /// Records that were moved.
    pub moved: usize,
    /// Records that stayed, by the master key that they still need and that is not at hand.
    pub left: BTreeMap<String, usize>,
    /// Records that do not open with their own master key: altered or damaged.
    pub damaged: Vec<String>,
}

impl KeyService {
    /// Wraps every data key with the ring's first master key; can be interrupted and run again.
    ///
    /// # Errors
    /// [`KeyError::Store`]; [`KeyError::Master`] when the proof of the master key cannot be moved.
    pub async fn rewrap(&self) -> Result<Rewrapped, KeyError> {
        let mut done = Rewrapped { to: self.ring.first().id().to_owned(), ..Rewrapped::default() };
        // Another process may still seal with another master key meanwhile: again, until a walk finds nothing to move.
        for _ in 0..MOST_WALKS {
            if !self.walk(&mut done).await? {
                break;
            }
        }
        self.move_canary(&done.to).await?;
        if done.moved > 0 {
            let detail = format!("{} key pairs are wrapped by master key {} now", done.moved, done.to);
            let entry = AuditEntry {
                event: "ssh_key_updated",
                outcome: "ok".to_owned(),
                detail: Some(detail),
                ..AuditEntry::default()
            };
            self.records.append(entry).await?;
        }
        Ok(done)
    }

    /// Walks over all records once. Answers whether there may be more to do.
    async fn walk(&self, done: &mut Rewrapped) -> Result<bool, KeyError> {
        let mut moved = 0;
        done.left.clear();
        done.damaged.clear();
        let mut after: Option<String> = None;
        loop {
            let batch = self.records.wrapped_by_others(&done.to, after.as_deref(), BATCH).await?;
            let Some(last) = batch.last() else { break };
            after = Some(last.record.clone());
            for was in &batch {
                match seal::rewrapped(&self.ring, was) {
                    Ok(Some(now)) => {
                        done.moved += usize::from(self.records.rewrap(was, &now).await?);
                        moved += 1; // also when somebody was faster: then it is looked at again
                    }
                    Ok(None) => *done.left.entry(was.master_key_id.clone()).or_default() += 1,
                    Err(_) => done.damaged.push(was.record.clone()),
                }
            }
        }
        Ok(moved > 0)
    }

    /// The canary follows when no key needs its master key any more.
    async fn move_canary(&self, to: &str) -> Result<(), KeyError> {
        let in_use = self.records.master_keys_in_use().await?;
        let Some(old) = in_use.by_canary.filter(|id| id != to && !in_use.by_keys.contains(id)) else { return Ok(()) };
        let canary = seal::new_canary(&self.ring).map_err(MasterKeyError::Random)?;
        let kept = self.records.plant_canary(canary, Some(&old)).await?;
        Ok(seal::check_canary(&self.ring, &kept)?)
    }
}
