//! Questions about one conflict.

use reqwest::{Method, Url};

use super::{Client, ClientError};
use crate::domain::AppName;
use crate::domain::conflict_view::ConflictView;

impl Client {
    /// The conflict of an app, file by file.
    ///
    /// # Errors
    /// A [`ClientError`].
    pub async fn conflict(&self, app: &AppName) -> Result<ConflictView, ClientError> {
        let path = "/api/v1/sync/conflict";
        let url = Url::parse_with_params(&format!("{}{path}", self.base), [("app", app.as_str())])
            .map_err(|error| ClientError::Answer(error.to_string()))?;
        let query = url.query().unwrap_or_default();
        self.ask(Method::GET, &format!("{path}?{query}"), None::<&()>).await
    }
}
