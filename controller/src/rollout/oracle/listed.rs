//! Differences that are meant, each with its reason. What is not here must be equal.

use serde_json::Value as Json;

use super::fields::Difference;

/// A difference that may be.
#[derive(Clone, Copy)]
pub(super) struct Listed {
    /// Of what: the beginning of `container web`, `network default`, …
    object: &'static str,
    /// Which fields: `*` stands for anything.
    field: &'static str,
    /// Whether the two values differ in just the way that is meant.
    fits: fn(Option<&Json>, Option<&Json>) -> bool,
    /// Why.
    pub(super) reason: &'static str,
}

impl Listed {
    /// Whether it is this difference.
    pub(super) fn covers(&self, difference: &Difference) -> bool {
        difference.object.starts_with(self.object)
            && matches(self.field, &difference.field)
            && (self.fits)(difference.theirs.as_ref(), difference.ours.as_ref())
    }
}

/// Whether a text is of a pattern's form.
fn matches(pattern: &str, text: &str) -> bool {
    match pattern.split_once('*') {
        None => pattern == text,
        Some((before, after)) => text.strip_prefix(before).is_some_and(|rest| {
            (0..=rest.len()).filter(|end| rest.is_char_boundary(*end)).any(|end| matches(after, &rest[end..]))
        }),
    }
}

fn only_ours(theirs: Option<&Json>, ours: Option<&Json>) -> bool {
    theirs.is_none() && ours.is_some()
}

fn only_theirs(theirs: Option<&Json>, ours: Option<&Json>) -> bool {
    theirs.is_some() && ours.is_none()
}

/// Both are from the engine's own pools.
fn from_the_pools(theirs: Option<&Json>, ours: Option<&Json>) -> bool {
    let pooled = |value: Option<&Json>| {
        value
            .and_then(Json::as_str)
            .is_some_and(|text| text.starts_with("172.") || text.starts_with("192.168."))
    };
    pooled(theirs) && pooled(ours)
}

fn is(value: Option<&Json>, wanted: impl Into<Json>) -> bool {
    value == Some(&wanted.into())
}

/// Whichever program it is.
pub(super) const BOTH: &[Listed] = &[
    Listed {
        object: "container",
        field: "NetworkSettings.Networks.*.Links{*",
        fits: |theirs, ours| theirs.is_none() || ours.is_none(),
        reason: "a link leads to the service's name, so that it follows whoever serves; docker-compose's leads to one container, with names of its first version beside",
    },
    Listed {
        object: "container",
        field: "Config.Image",
        fits: |_, ours| ours.and_then(Json::as_str).is_some_and(|image| image.starts_with("sha256:")),
        reason: "a container is made from the image's id: a tag may move while a release is rolled out",
    },
    Listed {
        object: "container",
        field: "*Labels.evenkeel.*",
        fits: only_ours,
        reason: "evenkeel's own labels",
    },
    Listed {
        object: "",
        field: "*Labels.com.docker.compose.version",
        fits: only_theirs,
        reason: "no docker-compose made it",
    },
    Listed {
        object: "network zz_ORACLE_backstage",
        field: "",
        fits: only_ours,
        reason: "the private network, where releases are proven",
    },
    Listed {
        object: "container",
        field: "NetworkSettings.Networks.zz_ORACLE_backstage.*",
        fits: only_ours,
        reason: "the private network, where releases are proven",
    },
    Listed {
        object: "container",
        field: "HostConfig.NetworkMode",
        fits: |_, ours| is(ours, "zz_ORACLE_backstage"),
        reason: "a candidate is created on the private network, and joins its own once it is proven",
    },
    Listed {
        object: "container borrower",
        field: "HostConfig.VolumesFrom*",
        fits: only_theirs,
        reason: "`volumes_from` becomes mounts of its own, so that a take-over needs no other container; `Mounts` must be equal",
    },
    Listed {
        object: "container borrower",
        field: "HostConfig.Asked.*",
        fits: only_ours,
        reason: "`volumes_from` becomes mounts of its own, so that a take-over needs no other container; `Mounts` must be equal",
    },
    Listed {
        object: "container guest",
        field: "Config.Hostname",
        fits: |theirs, ours| is(theirs, "<short id of lender>") && is(ours, "<short id of guest>"),
        reason: "the engine writes the lender's host name down at the start, and only docker-compose's side starts",
    },
    Listed {
        object: "network",
        field: "IPAM.Config[*",
        fits: from_the_pools,
        reason: "the engine takes the next free subnet of its pools",
    },
];

/// What not every engine does.
pub(super) const ENGINES: &[Listed] = &[Listed {
    object: "container",
    field: "NetworkSettings.Networks.*.Aliases{<short id of *",
    fits: |theirs, ours| theirs.is_none() || ours.is_none(),
    reason: "the engine's own alias, which it adds at a start or a later join",
}];

/// What docker-compose 1.29 does in another way.
pub(super) const CLASSIC: &[Listed] = &[
    Listed {
        object: "container",
        field: "Config.Labels.com.docker.compose.config-hash",
        fits: only_theirs,
        reason: "the hash of docker-compose's own notation; evenkeel's is `evenkeel.config`",
    },
    Listed {
        object: "container",
        field: "Config.Labels.com.docker.compose.project.config_files",
        fits: |theirs, ours| {
            let text = |value: Option<&Json>| value.and_then(Json::as_str).unwrap_or_default().to_owned();
            text(ours).replace("<directory>/", "") == text(theirs)
        },
        reason: "paths are absolute, as the Compose plugin has them: docker-compose's are relative to where it was called",
    },
    Listed {
        object: "container",
        field: "HostConfig.RestartPolicy.Name",
        fits: |theirs, ours| is(theirs, "") && is(ours, "no"),
        reason: "to the engine, no restart policy is the policy `no`",
    },
    Listed {
        object: "container",
        field: "Name",
        fits: |theirs, ours| {
            let text = |value: Option<&Json>| value.and_then(Json::as_str).unwrap_or_default().to_owned();
            text(theirs).replace('_', "-") == text(ours)
        },
        reason: "containers are named as the Compose plugin names them, with `-`",
    },
    Listed {
        object: "",
        field: "Labels.com.docker.compose.*",
        fits: |theirs, ours| {
            let text = |value: Option<&Json>| value.and_then(Json::as_str).unwrap_or_default().to_owned();
            text(theirs) == format!("ORACLE-{}", text(ours))
                || text(theirs) == format!("ORACLE-the-{}", text(ours))
        },
        reason: "the label holds the key of the file, as the Compose plugin has it; docker-compose writes a `name` there",
    },
    Listed {
        object: "",
        field: "Labels.a",
        fits: |theirs, ours| theirs.is_none() && is(ours, "first"),
        reason: "a network or volume that two files name is merged key by key, as the specification has it; docker-compose takes the last one's labels",
    },
    Listed {
        object: "container frontend",
        field: "HostConfig.Asked./*httpd*",
        fits: only_ours,
        reason: "docker-compose 1.29 leaves `configs` out, with a warning",
    },
    Listed {
        object: "container frontend",
        field: "Mounts{/*httpd*",
        fits: only_ours,
        reason: "docker-compose 1.29 leaves `configs` out, with a warning",
    },
    Listed {
        object: "network ORACLE_default",
        field: "",
        fits: only_theirs,
        reason: "docker-compose makes a network that only services of a profile that is not active would be on",
    },
    Listed {
        object: "network",
        field: "Attachable",
        fits: |theirs, ours| is(theirs, true) && is(ours, false),
        reason: "docker-compose makes every network attachable, whatever the file says; the specification's default is that it is not",
    },
];

/// What `docker compose` 2.26 does in another way.
pub(super) const MODERN: &[Listed] = &[
    Listed {
        object: "container",
        field: "Config.AttachStd*",
        fits: |theirs, ours| is(theirs, true) && is(ours, false),
        reason: "nobody is attached to what runs in the background",
    },
    Listed {
        object: "container",
        field: "Config.Labels.com.docker.compose.config-hash",
        fits: |_, _| true,
        reason: "evenkeel's containers bear the digest of docker-compose 1.29",
    },
    Listed {
        object: "container",
        field: "Config.Labels.com.docker.compose.version",
        fits: |_, ours| is(ours, "1.29.2"),
        reason: "evenkeel's containers bear the digest of docker-compose 1.29",
    },
    Listed {
        object: "container",
        field: "Config.Labels.com.docker.compose.image",
        fits: only_theirs,
        reason: "what that program alone reads: which image it was, and what to wait for",
    },
    Listed {
        object: "container",
        field: "Config.Labels.com.docker.compose.depends_on",
        fits: only_theirs,
        reason: "what that program alone reads: which image it was, and what to wait for",
    },
    Listed {
        object: "container",
        field: "NetworkSettings.Networks.*.Aliases{ORACLE-*",
        fits: only_theirs,
        reason: "a container's own name, which the engine leads to without an alias",
    },
    Listed {
        object: "container",
        field: "HostConfig.NetworkMode",
        fits: |theirs, _| is(theirs, "<id>"),
        reason: "a network of others is named by its id",
    },
    Listed {
        object: "container borrower",
        field: "Mounts{*.RW",
        fits: |theirs, ours| is(theirs, true) && is(ours, false),
        reason: "`docker compose` 2.26 leaves `:ro` of `volumes_from` out",
    },
    Listed {
        object: "network",
        field: "IPAM.Options.*",
        fits: only_ours,
        reason: "`docker compose` 2.26 leaves `ipam.options` out",
    },
    Listed {
        object: "container",
        field: "HostConfig.MemorySwappiness",
        fits: |theirs, ours| theirs.is_none() && is(ours, 0),
        reason: "`docker compose` 2.26 takes `mem_swappiness: 0` for nothing said",
    },
    Listed {
        object: "container",
        field: "HostConfig.DeviceRequests*.Options.*",
        fits: only_ours,
        reason: "`docker compose` 2.26 leaves `options` of reserved devices out",
    },
    Listed {
        object: "container",
        field: "Image.*",
        fits: |theirs, ours| (is(theirs, true) || theirs.is_some_and(Json::is_string)) && ours.is_none(),
        reason: "it builds with BuildKit, and puts labels of its own on images",
    },
    Listed {
        object: "container",
        field: "Facts",
        fits: |theirs, ours| {
            let text = |value: Option<&Json>| value.and_then(Json::as_str).unwrap_or_default().to_owned();
            text(theirs).replace("65536", "98304") == text(ours)
        },
        reason: "`docker compose` 2.26 leaves `build.shm_size` out",
    },
    Listed {
        object: "container cache",
        field: "*/etc/text*",
        fits: only_ours,
        reason: "what the file gives the content of is copied into the container; evenkeel mounts it",
    },
    Listed {
        object: "container dated",
        field: "Config.Env{DATE=*",
        fits: |theirs, ours| theirs.is_none() || ours.is_none(),
        reason: "a date is the text that it is; that program writes it as Go does, with an hour and a zone",
    },
    Listed {
        object: "container",
        field: "Config.StopTimeout",
        fits: |theirs, ours| is(theirs, 61) && is(ours, 62),
        reason: "a part of a second counts as a whole one; that program leaves it out",
    },
];
