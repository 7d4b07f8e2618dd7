//! The controller's metrics, as Prometheus would read them.

use std::collections::BTreeMap;

use crate::http;

/// One sample.
#[derive(Clone, Debug)]
pub struct Sample {
    /// The metric.
    pub name: String,
    /// Its labels.
    pub labels: BTreeMap<String, String>,
    /// Its value.
    pub value: f64,
}

/// Everything that was scraped at once.
#[derive(Clone, Debug)]
pub struct Scrape(Vec<Sample>);

impl Scrape {
    /// Scrapes an address.
    pub fn of(url: &str) -> Self {
        let answer = http::get(url).unwrap_or_else(|problem| panic!("{url}: {problem}"));
        assert_eq!(answer.status, 200, "{url}: {}", answer.body);
        Self(answer.body.lines().filter(|line| !line.starts_with('#')).filter_map(sample).collect())
    }

    /// The sum of all samples of a metric whose labels include those given.
    pub fn sum(&self, name: &str, labels: &[(&str, &str)]) -> f64 {
        self.matching(name, labels).map(|sample| sample.value).sum()
    }

    /// Samples of a metric whose labels include those given.
    pub fn matching<'a>(
        &'a self,
        name: &'a str,
        labels: &'a [(&'a str, &'a str)],
    ) -> impl Iterator<Item = &'a Sample> {
        let has = |sample: &Sample| {
            labels.iter().all(|(key, value)| sample.labels.get(*key).is_some_and(|is| is == value))
        };
        self.0.iter().filter(move |sample| sample.name == name && has(sample))
    }

    /// The names of all metrics.
    pub fn names(&self) -> std::collections::BTreeSet<&str> {
        self.0.iter().map(|sample| sample.name.as_str()).collect()
    }
}

fn sample(line: &str) -> Option<Sample> {
    let (series, value) = line.rsplit_once(' ')?;
    let (name, labels) = series.split_once('{').unwrap_or((series, ""));
    Some(Sample {
        name: name.to_owned(),
        labels: pairs(labels.trim_end_matches('}')),
        value: value.parse().ok()?,
    })
}

/// Good enough for our own labels, whose values hold neither quotes nor `",`.
fn pairs(labels: &str) -> BTreeMap<String, String> {
    let pair = |pair: &str| {
        pair.split_once("=\"").map(|(key, value)| (key.to_owned(), value.trim_end_matches('"').to_owned()))
    };
    labels.split("\",").filter_map(pair).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reads_labels_and_values() {
        let read = sample(r#"evenkeel_drift_total{app="a",kind="stopped"} 2"#).unwrap();
        assert_eq!((read.name.as_str(), read.value), ("evenkeel_drift_total", 2.0));
        assert_eq!(read.labels["kind"], "stopped");
        assert_eq!(sample("up 1").unwrap().labels.len(), 0);
    }
}
