//! Starts and stops the local environment.

use std::collections::BTreeMap;
use std::fs::{self, DirBuilder, File, TryLockError};
use std::io;
use std::net::SocketAddr;
use std::os::unix::fs::DirBuilderExt as _;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use tokio::sync::watch;
use tokio::task::JoinHandle;

use crate::compose::{Functions, Parts};
use crate::dev_inbox::{self, Demo, DevInbox, InboxState};
use crate::directory::{DemoAccounts, DirectoryAccounts};
use crate::directory_file::DirectoryFile;
use crate::emulator::secrets::write_private;
use crate::emulator::{Emulator, Storage};
use crate::import::Imported;
use crate::options::Options;
use crate::people::{self, People, Person, Remark, Rules};
use crate::schedule::Task;
use crate::serve::{listen, serve};
use crate::settings::{self, Parameters};
use crate::stored_passwords::StoredPasswords;
use crate::system::System;
use crate::template::{Consumer, Schedule, Template};
use crate::{gateway, schedule, worker};
use rekey_people::Failure;
use rekey_people::import::Hashing;

/// Time for open requests to finish at the end.
const GRACE: Duration = Duration::from_millis(500);

/// The running local environment.
pub struct Local {
    /// The address of Rekey; `None` with `--services`.
    pub product: Option<SocketAddr>,
    /// The address of the dev inbox.
    pub dev_inbox_address: SocketAddr,
    /// The dev inbox, to read messages without HTTP.
    pub dev_inbox: DevInbox,
    /// The name of the CSV file.
    pub people_file: String,
    /// The people of the CSV file. With `--data` the store may have others.
    pub people: Arc<Vec<Person>>,
    /// Values of the file that were ignored.
    pub warnings: Vec<Remark>,
    /// The result of importing the file.
    pub imported: Imported,
    /// The parameters that the functions got.
    pub parameters: Parameters,
    /// The AWS emulator.
    pub emulator: Emulator,
    folder: Option<Folder>,
    opened: watch::Sender<bool>,
    stop: watch::Sender<bool>,
    servers: Vec<JoinHandle<()>>,
}

impl Local {
    /// Starts everything. `environment` holds the process's environment variables.
    ///
    /// # Errors
    /// [`Failure`] with one line for every reason.
    pub async fn start(
        options: &Options,
        environment: impl IntoIterator<Item = (String, String)>,
    ) -> Result<Self, Failure> {
        let local = Self::prepare(options, environment).await?;
        local.open();
        Ok(local)
    }

    /// Starts all but the answers of Rekey itself, which begin with [`Self::open`].
    ///
    /// # Errors
    /// As [`Self::start`].
    pub async fn prepare(
        options: &Options,
        environment: impl IntoIterator<Item = (String, String)>,
    ) -> Result<Self, Failure> {
        let (listen_at, dev_inbox_at) = (options.listen_address()?, options.dev_inbox_address()?);
        let watch_url = options.watch_url()?;
        let memory = options.in_memory()?.then(Arc::default);
        let folder = options.data.as_deref().map(Folder::open).transpose()?;
        let product_listener =
            if options.services { None } else { Some(listen("--listen", listen_at).await?) };
        let (dev_inbox_listener, dev_inbox_address) = listen("--outbox", dev_inbox_at).await?;
        let product = product_listener.as_ref().map(|(_, address)| *address);
        let product_url = product.map_or_else(|| watch_url.clone(), url_of);
        let (directory, parameters) = read_settings(options, environment, &product_url)?;
        let people = read_people(options, &parameters)?;

        let system = System::from_machine();
        let template = Template::from_project()?;
        let (stop, stopped) = watch::channel(false);
        let (opened, mut open) = watch::channel(false);
        let dev_inbox = DevInbox::new(system.clone());
        let storage = storage(folder.as_ref(), memory.is_some());
        let emulator =
            Emulator::start(&system, template.clone(), storage, dev_inbox.clone(), stopped.clone()).await?;
        fill(&emulator, folder.as_ref(), directory.as_ref())?;
        let settings = Arc::new(parameters.settings.clone());
        let parts = Parts {
            emulator: &emulator,
            settings,
            system: system.clone(),
            memory,
            live_directory: None,
            directory_people: None,
        };
        let tables = parts.tables().await?;
        let sync = match &directory {
            Some(directory) => Some(first_sync(&parts, directory).await?),
            None => None,
        };
        let (imported, unhashed) = tables.import(&people, hashing(options)).await?;
        let passwords = StoredPasswords::store(tables.importer, unhashed);
        let People { file: people_file, people, warnings, .. } = people;
        let people = Arc::new(people);

        let demo = DemoAccounts { directory: tables.directory, passwords: passwords.clone() };
        let accounts = accounts(&parts, directory.as_ref(), demo).await?;
        let site = InboxState {
            dev_inbox: dev_inbox.clone(),
            demo: Demo {
                file: people_file.clone(),
                people: people.clone(),
                domains: Arc::new(parameters.settings.login_domains.clone()),
                accounts,
                captchas: Arc::new(parts.captcha_answers().await?),
            },
            address: dev_inbox_address,
            product: product.map(url_of),
            system: system.clone(),
            environment: parts.memory.is_none().then(|| variables(&emulator, &parameters)),
        };
        let mut servers =
            vec![tokio::spawn(serve(dev_inbox_listener, dev_inbox::router(site), stopped.clone()))];
        let consumer = consumer(&template)?;
        let consume = match product_listener {
            None => {
                // Watch serves pages and the queue. `rekey` needs an answer to Invoke.
                parts.answer_invocations().await?;
                worker::through_watch(&watch_url, &consumer.function)
            }
            Some((listener, _)) => {
                let mut functions = parts.functions().await?;
                let name = host_of(&parameters.settings.public_url);
                let routers = passwords.awaited_by(std::mem::take(&mut functions.routers));
                let router = gateway::router(system, name, template.routes, routers);
                let server = serve(listener, router, stopped.clone());
                servers.push(tokio::spawn(async move {
                    if open.wait_for(|open| *open).await.is_ok() {
                        server.await;
                    }
                }));
                for schedule in template.schedules.into_iter().map(seen_soon) {
                    let task = task_of(&schedule, &functions, sync.as_ref());
                    servers.extend(
                        task.map(|task| tokio::spawn(schedule::run(schedule, task, stopped.clone()))),
                    );
                }
                functions.delivery
            }
        };
        servers.push(tokio::spawn(worker::run(emulator.queues(), consumer, consume, stopped)));
        Ok(Self {
            product,
            dev_inbox_address,
            dev_inbox,
            people_file,
            people,
            warnings,
            imported,
            parameters,
            emulator,
            folder,
            opened,
            stop,
            servers,
        })
    }

    /// Lets Rekey answer. Who waits for an answer has then seen what was printed before.
    pub fn open(&self) {
        self.opened.send_replace(true);
    }

    /// Returns whether the state is kept in a folder, which may have people of earlier starts.
    pub const fn keeps_state(&self) -> bool {
        self.folder.is_some()
    }

    /// Stops everything. It gives open requests half a second, and keeps the messages of the queues.
    ///
    /// # Errors
    /// [`Failure`] if the queues can't be kept.
    pub async fn stop(self) -> Result<(), Failure> {
        self.stop.send_replace(true);
        let ended = async {
            for server in self.servers {
                let _ = server.await;
            }
        };
        let _ = tokio::time::timeout(GRACE, ended).await;
        self.folder.map_or(Ok(()), |folder| folder.save(&self.emulator))
    }
}

/// Runs the hourly audit every minute, so that anchors and last events can be seen.
fn seen_soon(schedule: Schedule) -> Schedule {
    let every = if schedule.task.is_some() { Duration::from_mins(1) } else { schedule.every };
    Schedule { every, ..schedule }
}

/// Returns the task of a schedule. Without a directory of one's own there is nothing to sync.
fn task_of(schedule: &Schedule, functions: &Functions, sync: Option<&Task>) -> Option<Task> {
    match schedule.function.as_str() {
        "directory-sync" => sync.cloned(),
        _ if schedule.task.as_deref() == Some("audit") => Some(functions.audit.clone()),
        _ => Some(functions.housekeeping.clone()),
    }
}

/// Returns the accounts as the dev inbox uses them: those of the directory of one's own, if there is one.
async fn accounts(
    parts: &Parts<'_>,
    directory: Option<&DirectoryFile>,
    demo: DemoAccounts,
) -> Result<Arc<dyn dev_inbox::Accounts>, Failure> {
    Ok(match directory {
        None => Arc::new(demo),
        Some(_) => Arc::new(DirectoryAccounts(parts.sign_in_directory().await?)),
    })
}

/// Returns when passwords are hashed. State that is kept must be whole if the process ends, and functions of
/// `cargo lambda watch` can't wait.
const fn hashing(options: &Options) -> Hashing {
    if options.data.is_some() || options.services { Hashing::WithAccount } else { Hashing::Later }
}

/// Returns the variables with which another process uses this environment.
fn variables(emulator: &Emulator, parameters: &Parameters) -> BTreeMap<String, String> {
    emulator.environment().into_iter().chain(parameters.pairs.clone()).collect()
}

fn storage(folder: Option<&Folder>, in_memory: bool) -> Storage<'_> {
    match folder {
        Some(folder) => Storage::Folder(&folder.path),
        None if in_memory => Storage::WithoutTables,
        None => Storage::Process,
    }
}

/// Reads the file of the directory, if one is given, and the settings.
fn read_settings(
    options: &Options,
    environment: impl IntoIterator<Item = (String, String)>,
    product_url: &str,
) -> Result<(Option<DirectoryFile>, Parameters), Failure> {
    let environment: BTreeMap<String, String> = environment.into_iter().collect();
    let file = options.directory.as_deref();
    let directory = file.map(|file| DirectoryFile::read(file, &environment)).transpose()?;
    let name = directory.as_ref().map(|directory| directory.name.as_str());
    let parameters = settings::read(environment, options, name, product_url)?;
    Ok((directory, parameters))
}

/// Puts the state of the folder, and the configuration of the directory, into the emulator.
fn fill(
    emulator: &Emulator,
    folder: Option<&Folder>,
    directory: Option<&DirectoryFile>,
) -> Result<(), Failure> {
    if let Some(folder) = folder {
        folder.restore(emulator)?;
    }
    if let Some(directory) = directory {
        emulator.put_parameter("REKEY_PARAMETER_DIRECTORY", directory.document.clone());
        for (variable, password) in &directory.passwords {
            emulator.put_secret(variable, password.to_string());
        }
    }
    Ok(())
}

/// Copies the people of the directory, so that they are found. Returns the sync for its schedule.
async fn first_sync(parts: &Parts<'_>, directory: &DirectoryFile) -> Result<Task, Failure> {
    let sync = parts.directory_sync().await?;
    sync().await.map_err(|why| {
        Failure::new(format!(
            "--directory: the people of {} can't be read: {why}. Check the servers, and the service account \
             `sync`: its password, its rights, and the server's size limit for it",
            directory.name
        ))
    })?;
    Ok(sync)
}

/// Returns the URL for a browser. A server on all addresses is reached at loopback.
pub fn url_of(address: SocketAddr) -> String {
    if address.ip().is_unspecified() {
        format!("http://127.0.0.1:{}", address.port())
    } else {
        format!("http://{address}")
    }
}

/// Returns the host in a URL.
fn host_of(url: &str) -> &str {
    let authority = url.split_once("://").map_or(url, |(_, rest)| rest);
    authority.split(['/', ':']).next().unwrap_or_default()
}

fn read_people(options: &Options, parameters: &Parameters) -> Result<People, Failure> {
    let rules = Rules::from(&parameters.settings);
    let Some(file) = &options.people else {
        // A directory of one's own has its people already.
        if options.directory.is_some() {
            return Ok(People::none("your directory"));
        }
        return people::parse("infra/local/people.csv", people::DEMO.as_bytes(), &rules);
    };
    let name = file.display().to_string();
    let bytes = fs::read(file).map_err(|error| {
        Failure::new(format!(
            "--people {name}: the file can't be read: {error}. Give the path of a CSV file, or leave out --people for \
             the example people"
        ))
    })?;
    people::parse(&name, &bytes, &rules)
}

fn consumer(template: &Template) -> Result<Consumer, Failure> {
    let consumer = template.consumers.first().cloned();
    consumer.ok_or_else(|| {
        Failure::new("template.yaml: no function reads the queue. Add an SQS event to delivery")
    })
}

/// The folder of `--data`, locked for one process.
struct Folder {
    path: PathBuf,
    /// The operating system releases the lock when the process ends, even after a crash.
    _lock: File,
}

impl Folder {
    fn open(path: &Path) -> Result<Self, Failure> {
        let failed = |why: &str| Failure::new(format!("--data {}: {why}", path.display()));
        let unusable =
            |error: io::Error| failed(&format!("{error}. Give a folder that you may create or write to"));
        DirBuilder::new().recursive(true).mode(0o700).create(path).map_err(unusable)?;
        let lock = File::create(path.join("lock")).map_err(unusable)?;
        match lock.try_lock() {
            Ok(()) => Ok(Self { path: path.to_owned(), _lock: lock }),
            Err(TryLockError::WouldBlock) => {
                Err(failed("another `cargo local` uses this folder. Stop it, or give another folder"))
            }
            Err(TryLockError::Error(error)) => Err(unusable(error)),
        }
    }

    fn queue(&self) -> PathBuf {
        self.path.join("queues.json")
    }

    fn restore(&self, emulator: &Emulator) -> Result<(), Failure> {
        let file = self.queue();
        let failed = |why: &str| Failure::new(format!("{}: {why}", file.display()));
        match fs::read_to_string(&file) {
            Ok(json) => emulator
                .queues()
                .restore(&json)
                .map_err(|_| failed("not a file of queues. Delete it to start with empty queues")),
            Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(()),
            Err(error) => Err(failed(&format!("can't be read: {error}. Check its permissions"))),
        }
    }

    fn save(&self, emulator: &Emulator) -> Result<(), Failure> {
        let file = self.queue();
        let failed = |why: &dyn std::fmt::Display| {
            let file = file.display();
            Failure::new(format!("{file}: queued messages are lost: {why}. Check the folder's free space"))
        };
        let json = emulator.queues().to_json().map_err(|error| failed(&error))?;
        write_private(&file, &json).map_err(|error| failed(&error))
    }
}
