//! The XML of AWS's query protocol, as far as answers of a few elements need it.

/// Returns the text of the first element of this name that has no attributes and no children.
pub(in crate::adapters) fn element(xml: &str, name: &str) -> Option<String> {
    let (_, rest) = xml.split_once(&format!("<{name}>"))?;
    let (text, _) = rest.split_once(&format!("</{name}>"))?;
    let text = text.trim();
    let unescaped =
        [("&lt;", "<"), ("&gt;", ">"), ("&quot;", "\""), ("&apos;", "'"), ("&#39;", "'"), ("&amp;", "&")];
    let read = unescaped.iter().fold(text.to_owned(), |text, (from, to)| text.replace(from, to));
    (!read.is_empty()).then_some(read)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn elements_are_read_with_their_escapes() {
        let xml = "<R><NextToken>a&amp;lt;b&quot;</NextToken><Empty></Empty><Id> x </Id></R>";
        assert_eq!(element(xml, "NextToken").as_deref(), Some("a&lt;b\""));
        assert_eq!(element(xml, "Id").as_deref(), Some("x"));
        assert_eq!((element(xml, "Empty"), element(xml, "Missing")), (None, None));
    }
}
