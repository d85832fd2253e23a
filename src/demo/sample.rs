//! The sample apps, laid out as the builder exports them.

use std::io;
use std::path::Path;

/// Names the files once: their path below `sample/` is their path in the apps folder.
macro_rules! sample {
    ($($path:literal)*) => {
        &[$(($path, include_bytes!(concat!("sample/", $path)))),*]
    };
}

/// Every file with its path.
const FILES: &[(&str, &[u8])] = sample! {
    "PO App/__export_meta.json"
    "PO App/configuration/custom_javascript/JSOBJECTS.js"
    "PO App/configuration/menu_config.json"
    "PO App/configuration/page_config.json"
    "PO App/connectors/acct/apis/getVendors/meta.json"
    "PO App/connectors/acct/apis/getVendors/schema.json"
    "PO App/data_query/POid/__register.json"
    "PO App/data_query/POid/meta.json"
    "PO App/data_query/POid/output_value.json"
    "PO App/icon/appIcon.png"
    "PO App/meta.json"
    "PO App/screens/Approval/config.json"
    "PO App/screens/Approval/controls/main_control/approve/meta.json"
    "PO App/screens/Approval/field_options.json"
    "PO App/screens/Approval/meta.json"
    "PO App/screens/Screen 1/config.json"
    "PO App/screens/Screen 1/controls/main_control/querybuilder/meta.json"
    "PO App/screens/Screen 1/controls/main_control/text1/bind_data.js"
    "PO App/screens/Screen 1/controls/main_control/text1/events/meta.json"
    "PO App/screens/Screen 1/controls/main_control/text1/live_data.js"
    "PO App/screens/Screen 1/controls/main_control/text1/meta.json"
    "PO App/screens/Screen 1/field_options.json"
    "PO App/screens/Screen 1/meta.json"
    "Visitor Book/__export_meta.json"
    "Visitor Book/configuration/page_config.json"
    "Visitor Book/data_query/guests/meta.json"
    "Visitor Book/meta.json"
    "Visitor Book/screens/Welcome/config.json"
    "Visitor Book/screens/Welcome/controls/main_control/guest/meta.json"
    "Visitor Book/screens/Welcome/field_options.json"
    "Visitor Book/screens/Welcome/meta.json"
};

/// The file that the demo proposes to edit.
pub(super) const TO_EDIT: &str = "PO App/screens/Screen 1/controls/main_control/text1/meta.json";

/// Writes the sample apps into `apps_dir`.
///
/// # Errors
/// A folder or file cannot be written.
pub(super) fn write(apps_dir: &Path) -> io::Result<()> {
    for (path, content) in FILES {
        let file = apps_dir.join(path);
        if let Some(folder) = file.parent() {
            std::fs::create_dir_all(folder)?;
        }
        std::fs::write(file, content)?;
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::merge::json_problem;

    #[test]
    fn the_sample_is_sound_and_holds_the_file_to_edit() {
        for (path, content) in FILES.iter().filter(|(path, _)| Path::new(path).extension() == Some("json".as_ref())) {
            assert_eq!(json_problem(content), None, "{path}");
        }
        assert!(FILES.iter().any(|(path, _)| *path == TO_EDIT));
    }
}
