//! Work that may take long, on a thread of its own: nothing else waits for it, and neither does the end of the program.

use tokio::sync::oneshot;

/// Does it there. There is no answer if it panics, or if there is no thread to be had.
pub(super) async fn aside<T: Send + 'static>(work: impl FnOnce() -> T + Send + 'static) -> Option<T> {
    let (answer, answered) = oneshot::channel();
    // The runtime waits for its own threads when it ends, however long one of them works.
    let thread = std::thread::Builder::new().name("shell-work".to_owned()).spawn(move || {
        let _nobody_waits = answer.send(work());
    });
    thread.ok()?;
    answered.await.ok()
}

#[cfg(test)]
mod tests {
    use std::sync::mpsc::channel;

    use super::*;

    #[tokio::test(flavor = "current_thread")]
    async fn others_go_on_meanwhile_and_a_panic_is_no_answer() {
        let (go_on, gone_on) = channel();
        let work = aside(move || gone_on.recv().is_ok());
        let other = async move { go_on.send(()) };
        let (worked, sent) = tokio::join!(work, other);
        assert!(worked == Some(true) && sent.is_ok());
        assert_eq!(aside(|| assert!(std::hint::black_box(false), "on purpose")).await, None);
    }
}
