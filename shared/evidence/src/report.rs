//! The report: one self-contained HTML file for a reader who is not technical.

use minijinja::{AutoEscape, Environment, context};
use soxauto_domain::manifest::Predicate;

const TEMPLATE: &str = include_str!("../templates/report.html");

/// The report cannot be rendered: a defect of the template.
#[derive(Debug, thiserror::Error)]
#[error("the report cannot be rendered: {0}")]
pub struct ReportError(#[from] minijinja::Error);

/// Renders the report of a manifest. The same predicate gives the same bytes.
///
/// # Errors
/// [`ReportError`] for a defect of the template.
pub fn render(predicate: &Predicate) -> Result<String, ReportError> {
    let mut environment = Environment::new();
    environment.set_auto_escape_callback(|_| AutoEscape::Html);
    environment.set_undefined_behavior(minijinja::UndefinedBehavior::SemiStrict);
    environment.add_template("report", TEMPLATE)?;
    let html = environment
        .get_template("report")?
        .render(context! { m => minijinja::value::Serde(predicate) })?;
    Ok(html)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::statement::tests::statement;

    #[test]
    fn texts_are_escaped() {
        let mut predicate = statement().predicate;
        predicate.control.title = "<script>alert(1)</script>".into();
        let html = render(&predicate).unwrap();
        assert!(html.contains("&lt;script&gt;") && !html.contains("<script>alert"));
        assert!(html.contains("complete"));
    }
}
