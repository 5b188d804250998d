//! What the whole operator weighs, as its own process, at 10,000 HTTPRoutes, 5,000 Services, 50 DataPlanes with their Gateways
//! and listeners, and a ReferenceGrant in each of 100 namespaces.
//!
//! The objects come from files, which the process keeps beside what it read from them: a cluster's operator has less.

#![allow(clippy::disallowed_methods, reason = "a process is waited for")]

use std::io::{self, BufRead as _, BufReader, Write as _};
use std::path::Path;
use std::process::{Child, Command, ExitCode, Stdio};

use serde_json::json;
use tagalong_bench::{Figure, Good, exit};

const DATAPLANES: usize = 50;
const NAMESPACES: usize = 100;
const ROUTES: usize = 10_000;
const SERVICES: usize = 5_000;

fn main() -> io::Result<ExitCode> {
    let manifests = tempfile::tempdir()?;
    write(manifests.path())?;
    let operator = Operator::start(manifests.path())?;
    let resident = Figure {
        figure: "operator: resident memory of the process at 10,000 routes, 5,000 Services, 100 grants, 50 Gateways and DataPlanes, \
                 from files",
        value: operator.mebibytes("VmRSS:")?,
        unit: "MiB",
        floor: 160.0,
        good: Good::AtMost,
    };
    Ok(exit(resident.print()?))
}

/// An operator that has read its files and listens.
struct Operator(Child);

impl Operator {
    /// The one that was built beside this binary.
    fn start(manifests: &Path) -> io::Result<Self> {
        let binary = std::env::current_exe()?.with_file_name("tagalong-operator");
        let mut child = Command::new(&binary)
            .args([
                "--log-format=json",
                "--push-address=127.0.0.1:0",
                "--metrics-address=127.0.0.1:0",
                "--admin-address=127.0.0.1:0",
                "--manifests",
            ])
            .arg(manifests)
            .stderr(Stdio::piped())
            .spawn()
            .map_err(|error| io::Error::other(format!("{}: {error}", binary.display())))?;
        let log = child.stderr.take();
        let operator = Self(child);
        let mut lines = log
            .map(BufReader::new)
            .into_iter()
            .flat_map(BufReader::lines);
        let listens = lines.any(|line| line.is_ok_and(|line| line.contains("pushes labels")));
        if listens {
            Ok(operator)
        } else {
            Err(io::Error::other("the operator ended"))
        }
    }

    fn mebibytes(&self, field: &str) -> io::Result<f64> {
        let status = std::fs::read_to_string(format!("/proc/{}/status", self.0.id()))?;
        let line = status.lines().find_map(|line| line.strip_prefix(field));
        let kib = line.and_then(|line| line.trim().strip_suffix(" kB")?.parse::<f64>().ok());
        kib.map(|kib| kib / 1024.0)
            .ok_or_else(|| io::Error::other(format!("no {field} in /proc")))
    }
}

impl Drop for Operator {
    fn drop(&mut self) {
        let _ended = (self.0.kill(), self.0.wait());
    }
}

/// Routes of two rules each, spread over the DataPlanes' Gateways.
fn write(directory: &Path) -> io::Result<()> {
    let namespace = |at: usize| format!("namespace-{}", at % NAMESPACES);
    let dataplanes = (0..DATAPLANES).map(|at| {
        json!({
            "apiVersion": "gateway-operator.konghq.com/v1beta1", "kind": "DataPlane",
            "metadata": {"namespace": "kong", "name": format!("dataplane-{at}"), "ownerReferences": [
                {"apiVersion": "gateway.networking.k8s.io/v1", "kind": "Gateway", "uid": "u",
                 "name": format!("gateway-{at}")},
            ]},
        })
    });
    let services = (0..SERVICES).map(|at| {
        json!({
            "apiVersion": "v1", "kind": "Service",
            "metadata": {"namespace": namespace(at), "name": format!("service-{at}")},
            "spec": {"ports": [{"port": 80}, {"port": 8080}]},
        })
    });
    let routes = (0..ROUTES).map(|at| {
        let service = format!("service-{}", at % SERVICES);
        // A tenth leads into another namespace.
        let of = if at % 10 == 0 { namespace(at + 1) } else { namespace(at) };
        let backend = |port: u16| json!({"backendRefs": [{"name": service, "namespace": of, "port": port}]});
        json!({
            "apiVersion": "gateway.networking.k8s.io/v1", "kind": "HTTPRoute",
            "metadata": {"namespace": namespace(at), "name": format!("route-{at}")},
            "spec": {
                "parentRefs": [{"name": format!("gateway-{}", at % DATAPLANES), "namespace": "kong"}],
                "hostnames": [format!("host-{at}.example.com")],
                "rules": [backend(80), backend(8080)],
            },
        })
    });
    let mut text = Vec::new();
    let gateways = (0..DATAPLANES).map(|at| {
        let listeners: Vec<_> = (0..8)
            .map(|listener| {
                json!({"name": format!("l{listener}"), "port": 80, "protocol": "HTTP",
                    "hostname": format!("listener-{at}-{listener}.example.com")})
            })
            .collect();
        json!({
            "apiVersion": "gateway.networking.k8s.io/v1", "kind": "Gateway",
            "metadata": {"namespace": "kong", "name": format!("gateway-{at}")},
            "spec": {"gatewayClassName": "kong", "listeners": listeners},
        })
    });
    let grants = (0..NAMESPACES).map(|at| {
        let from = json!([{"group": "gateway.networking.k8s.io", "kind": "HTTPRoute", "namespace": namespace(at + NAMESPACES - 1)}]);
        json!({
            "apiVersion": "gateway.networking.k8s.io/v1beta1", "kind": "ReferenceGrant",
            "metadata": {"namespace": namespace(at), "name": "routes"},
            "spec": {"from": from, "to": [{"group": "", "kind": "Service"}]},
        })
    });
    let referents = dataplanes.chain(services).chain(gateways).chain(grants);
    for object in referents.chain(routes) {
        writeln!(text, "---\n{object}")?;
    }
    std::fs::write(directory.join("all.yaml"), text)
}
