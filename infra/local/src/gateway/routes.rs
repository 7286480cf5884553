//! Chooses a route as an HTTP API does.

use std::collections::BTreeMap;

use crate::template::Route;

/// The routes of template.yaml, to choose from.
pub struct Routes(Vec<Route>);

/// The route of a request.
#[derive(Debug, PartialEq, Eq)]
pub struct Chosen<'a> {
    /// The route key: `GET /code`, or `$default`.
    pub key: String,
    /// The crate of the function.
    pub function: &'a str,
    /// The values of the path's variables.
    pub parameters: BTreeMap<String, String>,
}

impl Routes {
    /// Creates the table of routes.
    pub const fn new(routes: Vec<Route>) -> Self {
        Self(routes)
    }

    /// Returns the most specific route. A full match precedes a greedy one (`{name+}`), fixed parts precede
    /// variables, and the method precedes `ANY`. Otherwise it is `$default`, or `None` without one.
    pub fn choose(&self, method: &str, path: &str) -> Option<Chosen<'_>> {
        let fitting = self.0.iter().filter(|route| match route.method.as_deref() {
            Some(own) => own == method || own == "ANY",
            None => false,
        });
        let matched = fitting.filter_map(|route| {
            let (rank, parameters) = matches(&route.path, path)?;
            let any = route.method.as_deref() == Some("ANY");
            Some(((rank, any), route, parameters))
        });
        let best = matched.min_by(|(left, ..), (right, ..)| left.cmp(right));
        if let Some((_, route, parameters)) = best {
            let method = route.method.as_deref().unwrap_or("ANY");
            let key = format!("{method} {}", route.path);
            Some(Chosen { key, function: &route.function, parameters })
        } else {
            let default = self.0.iter().find(|route| route.method.is_none())?;
            let key = "$default".to_owned();
            Some(Chosen { key, function: &default.function, parameters: BTreeMap::new() })
        }
    }
}

/// How well a part of the pattern matches; smaller is more specific.
#[derive(PartialEq, Eq, PartialOrd, Ord)]
enum Fit {
    Fixed,
    Variable,
    Greedy,
}

fn matches(pattern: &str, path: &str) -> Option<(Vec<Fit>, BTreeMap<String, String>)> {
    let mut fits = Vec::new();
    let mut parameters = BTreeMap::new();
    let mut rest = path.strip_prefix('/')?;
    let mut parts = pattern.strip_prefix('/')?.split('/').peekable();
    while let Some(part) = parts.next() {
        let variable = part.strip_prefix('{').and_then(|part| part.strip_suffix('}'));
        if let Some(greedy) = variable.and_then(|name| name.strip_suffix('+')) {
            if rest.is_empty() {
                return None;
            }
            parameters.insert(greedy.to_owned(), rest.to_owned());
            fits.push(Fit::Greedy);
            return Some((fits, parameters));
        }
        let (here, after) = match rest.split_once('/') {
            Some((here, after)) => (here, Some(after)),
            None => (rest, None),
        };
        match variable {
            Some(name) if !here.is_empty() => {
                parameters.insert(name.to_owned(), here.to_owned());
                fits.push(Fit::Variable);
            }
            None if part == here => fits.push(Fit::Fixed),
            _ => return None,
        }
        match (after, parts.peek()) {
            (Some(after), Some(_)) => rest = after,
            (None, None) => return Some((fits, parameters)),
            _ => return None,
        }
    }
    None
}

#[cfg(test)]
mod tests {
    use super::*;

    fn routes() -> Routes {
        let route = |method: Option<&str>, path: &str| Route {
            method: method.map(str::to_owned),
            path: path.to_owned(),
            function: format!("{}{path}", method.unwrap_or_default()),
        };
        Routes::new(vec![
            route(None, "$default"),
            route(Some("GET"), "/"),
            route(Some("GET"), "/captcha/{token}/picture.png"),
            route(Some("GET"), "/captcha/new/picture.png"),
            route(Some("ANY"), "/files/{path+}"),
            route(Some("GET"), "/files/{one}"),
        ])
    }

    #[test]
    fn most_specific_route_wins() {
        let routes = routes();
        for (method, path, key) in [
            ("GET", "/", "GET /"),
            ("GET", "/captcha/abc/picture.png", "GET /captcha/{token}/picture.png"),
            ("GET", "/captcha/new/picture.png", "GET /captcha/new/picture.png"),
            ("GET", "/files/a", "GET /files/{one}"),
            ("GET", "/files/a/b", "ANY /files/{path+}"),
            ("PUT", "/files/a", "ANY /files/{path+}"),
            ("HEAD", "/", "$default"),
            ("GET", "/captcha//picture.png", "$default"),
            ("GET", "/captcha/abc/picture.png/", "$default"),
            ("GET", "/files/", "$default"),
            ("GET", "*", "$default"),
        ] {
            assert_eq!(routes.choose(method, path).unwrap().key, key, "{method} {path}");
        }
    }

    #[test]
    fn path_variables_are_extracted() {
        let routes = routes();
        let parameters = routes.choose("PUT", "/files/a/b").unwrap().parameters;
        assert_eq!(parameters, [("path".to_owned(), "a/b".to_owned())].into());
    }
}
