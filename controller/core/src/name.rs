//! Newtypes for every name that crosses a module border, so that a service is never taken for a container.

use std::fmt;

use serde::{Deserialize, Serialize};

macro_rules! name {
    ($(#[$doc:meta])* $name:ident) => {
        $(#[$doc])*
        #[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize, schemars::JsonSchema)]
        #[serde(transparent)]
        pub struct $name(String);

        impl $name {
            /// Wraps a name that has already been checked or comes from a trusted record.
            pub fn new(name: impl Into<String>) -> Self {
                Self(name.into())
            }

            /// The name as text.
            pub fn as_str(&self) -> &str {
                &self.0
            }
        }

        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str(&self.0)
            }
        }

        impl fmt::Debug for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                fmt::Debug::fmt(&self.0, f)
            }
        }

        impl AsRef<str> for $name {
            fn as_ref(&self) -> &str {
                &self.0
            }
        }

        impl std::borrow::Borrow<str> for $name {
            fn borrow(&self) -> &str {
                &self.0
            }
        }

        impl From<&str> for $name {
            fn from(name: &str) -> Self {
                Self::new(name)
            }
        }

        impl From<String> for $name {
            fn from(name: String) -> Self {
                Self(name)
            }
        }
    };
}

name!(
    /// An application: `metadata.name` of its manifest.
    AppName
);
name!(
    /// A Compose project (`com.docker.compose.project`).
    ProjectName
);
name!(
    /// A service of a Compose project (`com.docker.compose.service`).
    ServiceName
);
/// A service with several containers is as many to the planner: the first has its name, the others a number behind a `#`, which no
/// service's own name has.
impl ServiceName {
    /// The name in the Compose file.
    pub fn base(&self) -> &str {
        self.0.split_once('#').map_or(&self.0, |(base, _)| base)
    }

    /// Which of the service's containers it is.
    pub fn number(&self) -> u32 {
        self.0.split_once('#').and_then(|(_, number)| number.parse().ok()).unwrap_or(1)
    }

    /// The so-manieth container of the service.
    #[must_use]
    pub fn numbered(&self, number: u32) -> Self {
        if number < 2 { Self::new(self.base()) } else { Self(format!("{}#{number}", self.base())) }
    }
}

name!(
    /// A commit of the source, as its full hexadecimal object id.
    Revision
);
name!(
    /// What names a release: a keyed hash of its inputs, in hexadecimal.
    ReleaseDigest
);
name!(
    /// A revision of the database schema, as the migration tool names it.
    SchemaRevision
);
name!(
    /// An installation of evenkeel, as 16 hexadecimal digits: made at random with its ledger.
    InstanceId
);
name!(
    /// A container's full id, as the engine gives it.
    ContainerId
);
name!(
    /// An image's id (`sha256:…`), as the engine gives it.
    ImageId
);

impl Revision {
    /// The first twelve digits: enough for people to recognise a commit.
    pub fn short(&self) -> &str {
        self.0.get(..12).unwrap_or(&self.0)
    }
}

impl ReleaseDigest {
    /// The first twelve digits, for names and tables.
    pub fn short(&self) -> &str {
        self.0.get(..12).unwrap_or(&self.0)
    }
}

impl ContainerId {
    /// The first twelve digits. The engine's DNS resolves them on every user-defined network that the container is on.
    pub fn short(&self) -> &str {
        self.0.get(..12).unwrap_or(&self.0)
    }
}

/// The number of a rollout in the ledger; it also makes the names of what the rollout creates.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(transparent)]
pub struct RolloutId(pub i64);

impl fmt::Display for RolloutId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "r{}", self.0)
    }
}
