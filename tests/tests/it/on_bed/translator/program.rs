//! Kong's own translator as a process: a world in, an answer for each set of flags out.

use std::io::{BufRead as _, BufReader, BufWriter, Write as _};
use std::process::{Child, ChildStdin, ChildStdout, Command, Stdio};

use serde_json::{Value, json};
use tagalong_cluster::binaries::{Tool, ensure};
use tagalong_tests::judge::Answer;

pub struct Translator {
    child: Child,
    worlds: Option<BufWriter<ChildStdin>>,
    answers: BufReader<ChildStdout>,
}

/// What the translator is told beside the objects.
#[derive(Clone, Copy, Default)]
pub struct Controller<'a> {
    /// What it says of itself in its GatewayClass.
    pub name: &'a str,
    /// `NAMESPACE/NAME` of the only Gateway that it looks at; all if empty.
    pub gateway: &'a str,
}

impl Translator {
    pub fn start() -> Self {
        let program = ensure(Tool::KongTranslator).expect("Kong's translator");
        let mut child = Command::new(program)
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .expect("Kong's translator runs");
        Self {
            worlds: child.stdin.take().map(BufWriter::new),
            answers: BufReader::new(child.stdout.take().expect("its output")),
            child,
        }
    }

    pub fn ask(
        &mut self,
        controller: Controller<'_>,
        objects: &[Value],
        flags: &[&str],
    ) -> Vec<Answer> {
        let world = json!({"world": "", "controller": controller.name, "gateway": controller.gateway,
            "flags": flags, "objects": objects});
        let input = self.worlds.as_mut().expect("its input");
        serde_json::to_writer(&mut *input, &world).expect("it reads");
        input.flush().expect("it reads");
        let mut answers = Vec::new();
        for flags in flags {
            let mut line = String::new();
            self.answers.read_line(&mut line).expect("it answers");
            let answer: Answer = serde_json::from_str(&line).expect("an answer");
            assert_eq!(answer.flags, *flags);
            answers.push(answer);
        }
        answers
    }
}

impl Drop for Translator {
    fn drop(&mut self) {
        // It ends when there is nothing more to read.
        self.worlds = None;
        let _status = self.child.wait();
    }
}
