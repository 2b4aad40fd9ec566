import { Type, type Static, type TSchema } from "typebox";

/**
 * The form of a driver's description, as it is in YAML. Any text in it may name variables, as
 * `{{port}}`; there is no shell anywhere: commands are lists of arguments.
 */

const strict = <Properties extends Record<string, TSchema>>(properties: Properties) =>
  Type.Object(properties, { additionalProperties: false });
const words = <const Words extends readonly string[]>(all: Words) =>
  Type.Unsafe<Words[number]>(Type.Union(all.map((word) => Type.Literal(word))));
const optional = Type.Optional;

const text = Type.String({ minLength: 1, maxLength: 4096 });
const argv = Type.Array(text, { minItems: 1, maxItems: 64 });
const limitSeconds = Type.Integer({ minimum: 1, maximum: 600 });
const account = Type.String({
  pattern: String.raw`^([A-Za-z_][\w.-]*|\{\{[A-Za-z]\w*\}\})$`,
  description: "the name of a user or group",
});
const mode = Type.String({
  pattern: "^0[0-7]{3}$",
  description: 'four octal digits, as "0600"',
});
const port = Type.Union([
  Type.Integer({ minimum: 1, maximum: 65_535 }),
  Type.String({
    pattern: String.raw`^\{\{[A-Za-z]\w*\}\}$`,
    description: "a port, or a variable of the type port",
  }),
]);

/** Never in an argument, a variable or the environment: a file's first line, or what a program prints. */
const secret = Type.Union([strict({ file: text }), strict({ exec: argv })]);

const command = strict({
  run: argv,
  /** The Node Manager's own user where it is absent. */
  asUser: optional(account),
  limitSeconds: optional(limitSeconds),
});

const socketCommands = strict({
  /** Path of a Unix socket; each command has a connection of its own. */
  socket: text,
  commands: Type.Array(
    strict({
      send: text,
      /** A file of the generation by its path below it; sent after `send <<`, closed by an empty line. */
      payload: optional(text),
      /** Regular expression that the answer must match. */
      expect: text,
    }),
    { minItems: 1, maxItems: 64 },
  ),
  /** Sent when a command was refused, so that nothing half-done is left. */
  abort: optional(Type.Array(text, { maxItems: 64 })),
  limitSeconds: optional(limitSeconds),
});

const signal = strict({ signal: words(["SIGHUP", "SIGUSR1", "SIGUSR2"]), pidFile: text });
const restart = Type.Union([command, signal]);
const reload = Type.Union([
  command,
  signal,
  socketCommands,
  /** The server reads the files anew by itself. */
  strict({ automatic: Type.Literal(true) }),
]);

/** Where a value is in an answer: a path into JSON, a group of a regular expression, a count of matches. */
const source = Type.Union([
  strict({ json: text }),
  strict({ match: text }),
  strict({ count: text }),
]);

const status = strict({
  from: Type.Union([
    command,
    strict({ url: text, limitSeconds: optional(limitSeconds) }),
    strict({ socket: text, send: text, limitSeconds: optional(limitSeconds) }),
    strict({ host: text, port, send: optional(text), limitSeconds: optional(limitSeconds) }),
  ]),
  role: optional(strict({ in: source, active: text, standby: optional(text) })),
  members: optional(source),
  connected: optional(source),
  synchronised: optional(strict({ in: source, is: text })),
});

const file = strict({
  what: words([
    "key",
    "certificate",
    "chain",
    "certificate-and-chain",
    "combined",
    "trust-bundle",
    "crl",
    "pkcs12",
    "jks",
  ]),
  path: text,
  format: optional(words(["PEM", "DER"])),
  /** 0600 where it is absent. */
  mode: optional(mode),
  owner: optional(account),
  group: optional(account),
  /** Of a PKCS#12 or JKS file. */
  passphrase: optional(secret),
});

const variable = strict({
  type: words(["text", "name", "path", "host", "port"]),
  default: optional(Type.Union([Type.Integer(), text])),
});

export const variableSchema = variable;

export const descriptionSchema = strict({
  name: Type.String({ pattern: "^[a-z][a-z0-9-]{0,63}$", description: "a name, as my-server" }),
  about: optional(text),
  variables: optional(Type.Object({})),
  /** What no description can say, in code: see `driver-code.ts`. */
  code: optional(words(["gateway", "redis", "postgresql", "amlen"])),
  /** How a Node Manager starts a supervised member: in the foreground, its output into a log. */
  start: optional(
    strict({
      run: argv,
      asUser: optional(account),
      /** In which folder; the member's own without it. */
      folder: optional(text),
      /** Resource limits of the process (setrlimit). */
      openFilesMax: optional(Type.Integer({ minimum: 16, maximum: 10_000_000 })),
      memoryMebibytesMax: optional(Type.Integer({ minimum: 16, maximum: 16_777_216 })),
      /** How it is asked to end; SIGTERM without it. */
      stopSignal: optional(words(["SIGTERM", "SIGINT", "SIGQUIT", "SIGUSR1"])),
      /** How long it may take to end after that before it is killed. */
      stopWithinSeconds: optional(limitSeconds),
    }),
  ),
  /** Where Gatehouse keeps the generations of this member. */
  folder: text,
  /** Who besides the Node Manager may enter `folder`. */
  folderGroup: optional(account),
  /** `link`: the server reads below `folder`/current. `swap`: the files are copied to their paths. */
  visible: words(["link", "swap"]),
  files: Type.Array(file, { minItems: 1, maxItems: 32 }),
  /** Where key and certificate (with its chain) are that were placed by hand, with `link`; `swap` has its own paths. */
  found: optional(strict({ key: text, certificate: text })),
  /**
   * Files on the member's host that hold the revocation lists for `what: crl` (PEM, or one in DER), put
   * there by whoever issues them. Read at every look.
   */
  revocationLists: optional(Type.Array(text, { minItems: 1, maxItems: 8 })),
  check: optional(command),
  reload: optional(reload),
  restart: optional(restart),
  status: optional(status),
  login: optional(strict({ user: text, password: secret })),
  /** Ports on which the certificate is seen. */
  served: Type.Array(
    strict({
      host: text,
      port,
      name: optional(text),
      starttls: optional(words(["nats", "postgresql"])),
    }),
    { minItems: 1, maxItems: 8 },
  ),
  /** Until when the served certificate has to be the new one after a reload. */
  servedWithinSeconds: optional(limitSeconds),
  trust: strict({
    /** Whether the server can trust an old and a new CA at once. */
    overlap: Type.Boolean(),
    takesEffect: words(["reload", "restart"]),
    /** How a handshake with a client certificate on the first served port shows that it was accepted. */
    proof: optional(
      strict({
        send: optional(text),
        /** Regular expression that the answer must match. */
        expect: text,
      }),
    ),
  }),
  /** How long a member may take to be back after a restart (60). */
  backWithinSeconds: optional(limitSeconds),
});

export type Description = Omit<Static<typeof descriptionSchema>, "variables"> & {
  readonly variables?: Readonly<Record<string, Variable>>;
};
export type Variable = Static<typeof variable>;
export type FileEntry = Static<typeof file>;
export type Command = Static<typeof command>;
export type Signal = Static<typeof signal>;
export type SocketCommands = Static<typeof socketCommands>;
export type ServedPort = Static<typeof descriptionSchema>["served"][number];
export type SecretSource = Static<typeof secret>;
export type StatusSource = Static<typeof source>;
export type StatusDescription = Static<typeof status>;

/** The name, below a generation, under which Gatehouse keeps what it knows about it. */
export const manifestName = "generation.json";
