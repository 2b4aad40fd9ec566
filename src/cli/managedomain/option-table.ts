/** The commands of this version: exactly one per call. */
export const commandNames = [
  "initialize",
  "add",
  "edit_host",
  "create_instance",
  "edit_instance",
  "delete_instance",
  "add_tag",
  "delete_tag",
  "edit_group",
  "delete_host",
  "delete_group",
  "print_topology",
  "topology_check",
  "topology_compare",
  "topology_synch",
  "topology_merge",
  "reset",
  "add_service_only",
  "remove_service",
  "regen_certs",
  "submit_cert",
  "sign_csr",
  "change_domain_passphrase",
  "change_passphrase",
  "version",
] as const;
export type CommandName = (typeof commandNames)[number];

export interface OptionRow {
  /** As commander reads it: `-n, --name <text>`. */
  readonly flags: string;
  readonly help: string;
  /** The commands that take it; absent: all. */
  readonly for?: readonly CommandName[];
}

export const commandRows: readonly OptionRow[] = [
  { flags: "-i, --initialize", help: "make a domain: its CA and the first host, this one" },
  { flags: "-a, --add", help: "join this host to a domain" },
  {
    flags: "--edit_host",
    help: "make the Node Manager of --host an Admin Node Manager (--is_admin), or a plain one: --edit_host --host HOST with nothing else does that too, as documented; change its --new_name, --address, --nm_name, --port or --subj_alt_name. Nothing is restarted but an Admin Node Manager whose port changes. Run it anywhere: the Node Manager there makes its own key, which is why the documentation wanted it run there",
  },
  {
    flags: "-c, --create_instance",
    help: "create a gateway instance, and its group if that is new",
  },
  {
    flags: "--edit_instance",
    help: "rename the instance of --name and --group (--new_name), or give it other ports while it is stopped",
  },
  { flags: "--add_tag", help: "give an instance a tag: --name, --group, --tag and --value" },
  { flags: "--delete_tag", help: "take a tag from an instance: --name, --group and --tag" },
  {
    flags: "--edit_group",
    help: "rename a group: --group is what it is named, --new_name what it is to be",
  },
  { flags: "--delete_instance", help: "delete a stopped instance" },
  { flags: "--delete_host", help: "delete a host that has no instances" },
  { flags: "--delete_group", help: "delete a group with its instances, all stopped" },
  { flags: "-p, --print_topology", help: "print hosts, Node Managers, groups and instances" },
  { flags: "--topology_check", help: "who holds which version of the topology, and who is behind" },
  { flags: "--topology_compare", help: "what is another on a host, or on all, than in the store" },
  {
    flags: "--topology_synch",
    help: "give the topology out again, and wait up to 30 s until everybody holds it",
  },
  {
    flags: "--topology_merge",
    help: "what this host's topology.json says else; nothing is taken over, the store has the topology",
  },
  {
    flags: "--regen_certs",
    help: "replace certificates: on the Admin Node Manager's host those of all and the CA too, elsewhere this host's; a rotation of the CA that is under way is waited for, never doubled; with no Admin Node Manager running: other certificates for the present keys, by --ca or --submit_cert",
  },
  {
    flags: "--submit_cert",
    help: "bring certificates that were signed elsewhere: complete what waits on this host, or in the domain; for a key in use it needs no Admin Node Manager",
  },
  {
    flags: "--sign_csr",
    help: "sign the request of --csr with this domain's CA, as the CA of another domain",
  },
  {
    flags: "--change_domain_passphrase",
    help: "encrypt the keys of the CAs on this host anew, while its Node Manager is stopped; takes some seconds",
  },
  {
    flags: "--change_passphrase",
    help: "encrypt the keys of all instances of --group anew, while everything runs; a host that is away does it when it is back",
  },
  {
    flags: "--reset",
    help: "delete the instances, keys and registration in this home, while nothing runs on it; it has to be registered again",
  },
  {
    flags: "--add_service_only",
    help: "make a systemd service of this home, as root: it runs the Node Manager, which runs the Admin Node Manager and the instances that were started last, so that these need none of their own",
  },
  {
    flags: "--remove_service",
    help: "remove the service of this home, as root; what runs goes on",
  },
  { flags: "-v, --version", help: "print the version of this installation" },
];

const makesCertificates = [
  "initialize",
  "add",
  "edit_host",
  "create_instance",
  "regen_certs",
] as const;
const addsService = ["initialize", "add", "edit_host", "create_instance"] as const;
const makesHost = ["initialize", "add"] as const;
const describesHost = [...makesHost, "edit_host"] as const;
const namesInstance = ["edit_instance", "delete_instance", "add_tag", "delete_tag"] as const;
const takesCaPassphrase = [...makesCertificates, "submit_cert", "sign_csr"] as const;
const keepsKeys = [...makesCertificates, "submit_cert"] as const;
const hasEntityStore = [...describesHost, "submit_cert"] as const;
const changesPassphrase = ["change_domain_passphrase", "change_passphrase", "edit_host"] as const;
const callsAdmin = [
  "add",
  "edit_host",
  "create_instance",
  "edit_instance",
  "delete_instance",
  "add_tag",
  "delete_tag",
  "edit_group",
  "delete_host",
  "delete_group",
  "print_topology",
  "topology_check",
  "topology_compare",
  "topology_synch",
  "topology_merge",
  "regen_certs",
  "submit_cert",
  "change_passphrase",
] as const;
const logsIn = ["initialize", "sign_csr", ...callsAdmin] as const;

/** An option that is a secret, and its other two forms. */
function secretOption(name: string, help: string, commands: readonly CommandName[]): OptionRow[] {
  const prefer = `seen by every user of this machine: prefer --${name}_file`;
  return [
    { flags: `--${name} <text>`, help: `${help}; ${prefer}`, for: commands },
    { flags: `--${name}_file <file>`, help: "file whose first line it is", for: commands },
    { flags: `--${name}_exec <command>`, help: "command that prints it", for: commands },
  ];
}

export const optionRows: readonly OptionRow[] = [
  {
    flags: "-n, --name <name>",
    help: "name of the instance; of the Node Manager with --initialize and --add",
    for: ["initialize", "add", "create_instance", ...namesInstance],
  },
  {
    flags: "-g, --group <name>",
    help: "name of the group",
    for: ["create_instance", ...namesInstance, "edit_group", "delete_group", "change_passphrase"],
  },
  {
    flags: "--new_name <name>",
    help: "what the instance, group or host is named from now on; a host whose address is its name is reached by the new one then",
    for: ["edit_instance", "edit_group", "edit_host"],
  },
  { flags: "--tag <name>", help: "name of the tag", for: ["add_tag", "delete_tag"] },
  { flags: "--value <text>", help: "value of the tag", for: ["add_tag"] },
  {
    flags: "--host <name>",
    help: "name of the host; this host's own name where it is not given",
    for: ["initialize", "add", "edit_host", "create_instance", "delete_host", "topology_compare"],
  },
  {
    flags: "--address <address>",
    help: "DNS name or IP address of this host for others; its --host where it is not given",
    for: describesHost,
  },
  {
    flags: "--nm_name <name>",
    help: "name of the Node Manager (default: Node Manager on HOST)",
    for: describesHost,
  },
  { flags: "--port <port>", help: "port of the Node Manager (default: 8090)", for: describesHost },
  {
    flags: "--dial <end>",
    help: "who opens the connections once the host has joined: nm, this host (default); anm, the Admin Node Managers. To join, this host has to reach one for once, at --anm_host",
    for: ["add"],
  },
  {
    flags: "--domain_name <name>",
    help: "subject of the CA (default: CN=Domain)",
    for: ["initialize"],
  },
  ...secretOption(
    "domain_passphrase",
    "encrypts the keys of the CAs, or opens the file of --ca",
    takesCaPassphrase,
  ),
  ...secretOption(
    "key_passphrase",
    "encrypts keys while their certificates are signed elsewhere; opens that of a first host, or one that joins, with --submit_cert, while a running Node Manager keeps it",
    keepsKeys,
  ),
  {
    flags: "--token_module <file>",
    help: "PKCS#11 library of a token: the keys of the CAs are made in it and never leave it; ours, not documented (docs/signing.md)",
    for: ["initialize"],
  },
  { flags: "--token_label <label>", help: "which token it is", for: ["initialize"] },
  {
    flags: "--token_pin_file <file>",
    help: "file whose first line is its PIN; where nothing gives the PIN it is asked for, and again at each start of the Admin Node Manager (gatehouse authority unlock)",
    for: ["initialize"],
  },
  { flags: "--token_pin_exec <command>", help: "command that prints it", for: ["initialize"] },
  {
    flags: "--nm_entitystore_pass, --nm_entitystore_passphrase <text>",
    help: "encrypts the keys of this host's Node Manager, in conf/fed; at each of its starts somebody at a terminal is asked for it; seen by every user of this machine: prefer --nm_entitystore_passphrase_file",
    for: hasEntityStore,
  },
  {
    flags: "--nm_entitystore_passphrase_file <file>",
    help: "file whose first line it is, readable by its owner alone: the Node Manager finds it there at every start",
    for: hasEntityStore,
  },
  {
    flags: "--nm_entitystore_passphrase_exec <command>",
    help: "command that prints it, run at every start",
    for: hasEntityStore,
  },
  ...secretOption(
    "passphrase",
    "passphrase of the group, which encrypts the keys of its instances; a new group gets it",
    ["create_instance"],
  ),
  ...secretOption(
    "old_passphrase",
    "passphrase of the keys until now; leave it out where there is none",
    changesPassphrase,
  ),
  ...secretOption("new_passphrase", "passphrase of the keys from now on", changesPassphrase),
  {
    flags: "-m, --instance_management_port <port>",
    help: "default: the first free one from 8085 on",
    for: ["create_instance", "edit_instance"],
  },
  {
    flags: "-s, --instance_services_port <port>",
    help: "default: the first free one from 8080 on",
    for: ["create_instance", "edit_instance"],
  },
  {
    flags: "--sign_with_generated",
    help: "sign with the domain's own CA (default of a new domain)",
    for: makesCertificates,
  },
  {
    flags: "--sign_with_user_provided",
    help: "sign with your own CA, in the file of --ca",
    for: makesCertificates,
  },
  {
    flags: "--sign_with_external_ca",
    help: "write a request for a CA elsewhere; --submit_cert brings the certificate",
    for: makesCertificates,
  },
  {
    flags: "--ca <file...>",
    help: "PKCS#12 file with the key and certificate of your CA; with --submit_cert: certificates of the CA that signed",
    for: [...makesCertificates, "submit_cert"],
  },
  {
    flags: "--cert <path...>",
    help: "certificates in PEM, DER or PKCS#7, in files or folders, in any order",
    for: ["submit_cert"],
  },
  {
    flags: "--csr <file>",
    help: "where to write the request (default: PROCESS.csr, here); with --sign_csr: the request",
    for: ["initialize", "add", "edit_host", "create_instance", "sign_csr"],
  },
  {
    flags: "--sign_alg <name>",
    help: "digest of the CA that --initialize makes, and of all that it signs: sha256 (default), sha384 or sha512",
    for: makesCertificates,
  },
  {
    flags: "--subj_alt_name <name...>",
    help: "further name in the Node Manager's certificate, as DNS.1=NAME, IP.1=ADDRESS, email.1=ADDRESS or URI.1=URI",
    for: describesHost,
  },
  {
    flags: "--retain_domain_cert",
    help: "keep the CA, replace only the leaf certificates of this host",
    for: ["regen_certs"],
  },
  {
    flags: "--observe <seconds>",
    help: "how long the new CA is watched before the old one is retired (default: 60)",
    for: ["regen_certs"],
  },
  {
    flags: "--waive_unmanaged <reason>",
    help: "why callers that cannot be observed may be passed over, where nobody can be asked",
    for: ["regen_certs"],
  },
  {
    flags: "--token <token>",
    help: "join token in place of a login, seen by every user of this machine: prefer --token_file",
    for: ["add"],
  },
  { flags: "--token_file <file>", help: "file with the join token", for: ["add"] },
  {
    flags: "--is_admin [1]",
    help: "as an Admin Node Manager; the domain's store has to be in PostgreSQL",
    for: ["add", "edit_host"],
  },
  {
    flags: "--demote",
    help: "take the admin capability from the host, its copies of the CA and trust-signing keys too",
    for: ["edit_host"],
  },
  {
    flags: "--db_password_file <file>",
    help: "with --is_admin, run on that host: file whose first line is the database's password",
    for: ["add", "edit_host"],
  },
  {
    flags: "--db_password_exec <command>",
    help: "with --is_admin, run on that host: command that prints the database's password",
    for: ["add", "edit_host"],
  },
  { flags: "--anm_host <host>", help: "the Admin Node Manager to call", for: callsAdmin },
  { flags: "--anm_port <port>", help: "its port (default: 8090)", for: callsAdmin },
  {
    flags: "--username <name>",
    help: "administrator; the first one with --initialize",
    for: logsIn,
  },
  {
    flags: "--password <text>",
    help: "seen by every user of this machine: prefer --password_file",
    for: logsIn,
  },
  { flags: "--password_file <file>", help: "file whose first line is the password", for: logsIn },
  { flags: "--truststore_file <file>", help: "PEM file with the domain's CA", for: callsAdmin },
  {
    flags: "--fingerprint <sha256>",
    help: "SHA-256 fingerprint of the domain's CA",
    for: callsAdmin,
  },
  {
    flags: "--add_service",
    help: "make a systemd service of this home too, as --add_service_only does",
    for: addsService,
  },
  {
    flags: "--service_user <name>",
    help: "user that the service runs as; the owner of the home folder where it is not given",
    for: [...addsService, "add_service_only"],
  },
  {
    flags: "--discard_ca_keys",
    help: "the keys of CAs in this home may be lost",
    for: ["reset"],
  },
  {
    flags: "--process <id...>",
    help: "with --retain_domain_cert: only these processes of this host, as nodemanager-1",
    for: ["regen_certs"],
  },
  {
    flags: "--menu",
    help: "numbered options in place of a command; without any command, at a terminal: the interpreter",
  },
  { flags: "--home <folder>", help: "home" },
  { flags: "--no_prompt", help: "never ask: fail in one line instead" },
  { flags: "--debug", help: "print the causes of an error too" },
];
