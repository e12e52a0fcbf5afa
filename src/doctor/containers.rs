//! Are Immich's containers up, healthy, and of one version?

use super::case::{Case, Fleet};
use super::docker::{Container, Part};
use super::opinion::{Opinion, cannot_tell, shown};
use crate::report::ndjson::Answer;
use crate::report::words;

pub const WHAT: [&str; 3] = [
    "Are the server, machine learning, database and queue up and healthy, and do their versions fit each other?",
    "state, health check, restarts, exit status, memory limit, image and version of each container",
    "the socket of Docker or Podman (DOCKER_HOST=unix://...)",
];

/// Immich's page of requirements asks for it where containers are limited.
const DATABASE_MEMORY: u64 = 2 << 30;

/// So many restarts by itself are a loop and no accident.
const LOOP: u64 = 5;

pub fn answer(case: &Case) -> Answer {
    match &case.fleet {
        Err(why) => cannot_tell("containers", why.clone()),
        Ok(fleet) => judge(fleet),
    }
}

fn judge(fleet: &Fleet) -> Answer {
    let mut opinion = Opinion::default();
    let of = |part: Part| fleet.containers.iter().filter(move |container| container.part == Some(part));
    if of(Part::Server).next().is_none() {
        opinion.doubt(format!(
            "none of the {} here is Immich's server: is it on another machine, or was it removed? (docker compose up -d \
             makes it again)",
            words::counted(fleet.total as u64, "container", "containers")
        ));
        return opinion.answer("containers");
    }
    for container in &fleet.containers {
        look(container, &mut opinion);
    }
    versions(&fleet.containers, &mut opinion);
    for (part, what) in [(Part::Database, "database"), (Part::Queue, "Redis or Valkey")] {
        if of(part).next().is_none() {
            opinion.saw(format!("no container of its {what} is here: it has to be elsewhere"));
        }
    }
    opinion.answer("containers")
}

fn look(container: &Container, opinion: &mut Opinion) {
    let name = shown(&container.name, 60);
    let memory = match container.memory_limit {
        0 => String::new(),
        limit => format!(" (its limit is {})", words::bytes(limit)),
    };
    let image = shown(&container.image, 100);
    let again = if container.restarts > 0 {
        format!(", restarted {} times", container.restarts)
    } else {
        String::new()
    };
    let logs = format!("look at its log: docker logs --tail 100 {name}");
    if container.out_of_memory {
        opinion.problem(
            format!("{name} was killed because it was out of memory{memory}"),
            format!(
                "give {name} more memory (mem_limit in the compose file), or let Immich do less at once: Administration, \
                 Settings, Job Settings, concurrency 1"
            ),
        );
    } else if container.state == "restarting" || container.restarts >= LOOP {
        opinion.problem(
            format!(
                "{name} starts again and again: {} restarts, {}",
                container.restarts,
                ended(container.exit_code)
            ),
            logs,
        );
    } else if container.state == "paused" {
        opinion.problem(format!("{name} is paused"), format!("docker unpause {name}"));
    } else if container.state != "running" {
        let why = if container.error.is_empty() {
            String::new()
        } else {
            format!(": {}", shown(&container.error, 200))
        };
        let remedy = if container.exit_code == 0 {
            "docker compose up -d".to_owned()
        } else {
            format!("{logs}; then docker compose up -d")
        };
        opinion
            .problem(format!("{name} is {}, {}{why}", container.state, ended(container.exit_code)), remedy);
    } else if container.health == "unhealthy" {
        opinion.problem(format!("{name} runs and its health check fails"), logs);
    } else {
        let health =
            if container.health.is_empty() { String::new() } else { format!(", {}", container.health) };
        opinion.saw(format!("{name} runs{health}{again} ({image})"));
    }
    if container.part == Some(Part::Database) && (1..DATABASE_MEMORY).contains(&container.memory_limit) {
        opinion.problem(
            format!(
                "{name} may take {} of memory, and the database needs 2 GB",
                words::bytes(container.memory_limit)
            ),
            format!("raise the mem_limit of {name} in the compose file, then docker compose up -d"),
        );
    }
}

/// What an exit status means.
fn ended(status: i64) -> String {
    let meaning = match status {
        0 => "it was stopped",
        125..=127 => "its program could not be started",
        132 => "an instruction that this processor does not have",
        134 => "it gave up by itself",
        137 => "it was killed, most often for its memory",
        139 => "it crashed",
        143 => "it was asked to stop",
        _ => "it failed",
    };
    format!("exit status {status}: {meaning}")
}

/// Server, microservices and machine learning have to be of one version.
fn versions(containers: &[Container], opinion: &mut Opinion) {
    let own = containers.iter().filter(|container| {
        matches!(container.part, Some(Part::Server | Part::MachineLearning)) && !container.version.is_empty()
    });
    let own: Vec<&Container> = own.collect();
    let Some(first) = own.first() else {
        opinion.doubt("the versions of the images are not told by their labels or tags");
        return;
    };
    if own.iter().any(|container| container.version != first.version) {
        let list: Vec<String> = own
            .iter()
            .map(|container| format!("{} {}", shown(&container.name, 60), shown(&container.version, 30)))
            .collect();
        opinion.problem(
            format!("versions differ: {}", words::list(&list)),
            "set one IMMICH_VERSION for all in .env, then docker compose pull and docker compose up -d",
        );
    } else {
        opinion.saw(format!("Immich is of version {}", shown(&first.version, 30)));
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::doctor::docker::Docker;
    use crate::doctor::testing::{fine, problem, unknown};

    fn container(name: &str, part: Part) -> Container {
        Container {
            name: name.to_owned(),
            part: Some(part),
            image: format!("ghcr.io/immich-app/{name}:v2.3.1"),
            version: "2.3.1".to_owned(),
            state: "running".to_owned(),
            health: "healthy".to_owned(),
            ..Container::default()
        }
    }

    fn fleet(containers: Vec<Container>) -> Option<Fleet> {
        // Any socket will do: nothing is asked of it here.
        let folder = tempfile::tempdir().ok()?;
        let path = folder.path().join("socket");
        let _listening = std::os::unix::net::UnixListener::bind(&path).ok()?;
        Some(Fleet { docker: Docker::find(&[path]).ok()?, total: containers.len() + 3, containers })
    }

    fn told(change: impl Fn(&mut Container)) -> Option<Answer> {
        let mut server = container("immich_server", Part::Server);
        change(&mut server);
        let rest = [
            container("immich_machine_learning", Part::MachineLearning),
            container("immich_redis", Part::Queue),
            container("immich_postgres", Part::Database),
        ];
        Some(judge(&fleet(std::iter::once(server).chain(rest).collect())?))
    }

    #[test]
    fn states_are_told_apart() -> Result<(), &'static str> {
        let told = |change: &dyn Fn(&mut Container)| told(change).ok_or("no fleet");
        fine(&told(&|_| ())?, "Immich is of version 2.3.1");
        let answer = told(&|server| (server.state, server.exit_code) = ("exited".to_owned(), 137))?;
        problem(&answer, "exit status 137: it was killed", "docker logs --tail 100 immich_server");
        let answer = told(&|server| (server.state, server.restarts) = ("restarting".to_owned(), 12))?;
        problem(&answer, "again and again: 12 restarts", "docker logs");
        let answer = told(&|server| (server.out_of_memory, server.memory_limit) = (true, 1 << 30))?;
        problem(&answer, "its limit is 1.0 GiB", "concurrency 1");
        problem(
            &told(&|server| server.health = "unhealthy".to_owned())?,
            "health check fails",
            "docker logs",
        );
        problem(
            &told(&|server| server.version = "2.2.0".to_owned())?,
            "immich_server 2.2.0",
            "IMMICH_VERSION",
        );
        problem(
            &told(&|server| server.state = "exited".to_owned())?,
            "exit status 0",
            "docker compose up -d",
        );
        let small = Container { memory_limit: 1 << 30, ..container("immich_postgres", Part::Database) };
        let both = fleet(vec![container("immich_server", Part::Server), small]).ok_or("no fleet")?;
        problem(&judge(&both), "may take 1.0 GiB of memory", "raise the mem_limit of immich_postgres");
        Ok(())
    }

    #[test]
    fn another_machines_containers_are_not_judged() -> Result<(), &'static str> {
        let answer = judge(&fleet(vec![container("immich_redis", Part::Queue)]).ok_or("no fleet")?);
        unknown(&answer, "none of the 4 containers here is Immich's server");
        Ok(())
    }
}
