//! `rekey`: what operators do with a deployment.

fn main() -> std::process::ExitCode {
    rekey_admin::main()
}
