//! Who does not find what is new.

use super::super::service::Work;
use super::Deployment;
use crate::name::ServiceName;

impl Deployment<'_, '_> {
    /// A link is made once: who was proven in private when a service had one container is led to that one until it is replaced itself.
    pub(super) fn announce_blind(&mut self) {
        let works = self.works;
        for first_more in works.iter().filter(|work| work.name.number() == 2 && work.current.is_none()) {
            let kept = works.iter().filter(|work| !work.replaced());
            let blind = kept.filter(|work| self.is_led_to_one(work, &first_more.name));
            let names: Vec<&str> = blind.map(|work| work.name.as_str()).collect();
            if !names.is_empty() {
                self.notes.push(format!(
                    "made when {} had one container, and led to that one until replaced: {}",
                    first_more.name.base(),
                    names.join(", ")
                ));
            }
        }
    }

    fn is_led_to_one(&self, work: &Work<'_>, other: &ServiceName) -> bool {
        let backstage = self.facts.backstage();
        let links = |(network, joined): (&String, &crate::observed::Joined)| {
            let known = joined.links.iter().any(|(_, name)| name == other.base());
            known.then_some(*network == backstage)
        };
        let known: Vec<bool> =
            work.current.into_iter().flat_map(|it| it.networks.iter().filter_map(links)).collect();
        !known.is_empty() && known.iter().all(|private| *private)
    }
}
