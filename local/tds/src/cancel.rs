//! The client's attention, as a backend sees it.

use tokio::sync::watch;

/// Tells a backend that the client wants its running request to stop. Cheap to clone.
#[derive(Debug, Clone)]
pub struct CancelSignal(watch::Receiver<bool>);

/// The server's end of a [`CancelSignal`].
#[derive(Debug)]
pub(crate) struct CancelSource(watch::Sender<bool>);

impl CancelSource {
    pub(crate) fn new() -> (Self, CancelSignal) {
        let (sender, receiver) = watch::channel(false);
        (Self(sender), CancelSignal(receiver))
    }

    pub(crate) fn cancel(&self) {
        self.0.send_replace(true);
    }
}

impl CancelSignal {
    /// Whether the client has cancelled.
    pub fn is_cancelled(&self) -> bool {
        *self.0.borrow()
    }

    /// Waits until the client cancels; for ever when it does not.
    pub async fn cancelled(&mut self) {
        if self.0.wait_for(|cancelled| *cancelled).await.is_err() {
            std::future::pending::<()>().await;
        }
    }
}
