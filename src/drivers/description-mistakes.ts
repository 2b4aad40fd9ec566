import { codeOf } from "./code.ts";
import {
  manifestName,
  type Description,
  type FileEntry,
  type StatusSource,
} from "./description.ts";
import { jsonPathProblem } from "./parse-status.ts";
import { valueProblem, variablesIn } from "./variables.ts";

/** What the schema cannot say: each mistake as one clause that names the field and what to do. */
export function descriptionMistakes(description: Description): string[] {
  return [
    ...variableMistakes(description),
    ...description.files.flatMap((file, i) => fileMistakes(description, file, `files[${i}]`)),
    ...pathMistakes(description),
    ...contentMistakes(description),
    ...effectMistakes(description),
    ...statusMistakes(description),
  ];
}

function variableMistakes(description: Description): string[] {
  const { variables = {}, ...rest } = description;
  const used = variablesIn(rest);
  const declared = Object.keys(variables);
  return [
    ...[...used]
      .filter((name) => !declared.includes(name))
      .map((name) => `{{${name}}} is not declared: add it to variables, with its type`),
    // Code reads variables that the description itself does not name.
    ...declared
      .filter((name) => !used.has(name) && description.code === undefined)
      .map((name) => `variables.${name} is used nowhere: remove it or use {{${name}}}`),
    ...Object.entries(variables).flatMap(([name, variable]) => {
      const problem =
        variable.default === undefined ? null : valueProblem(variable, variable.default);
      return problem === null ? [] : [`variables.${name}.default ${problem}`];
    }),
  ];
}

const withKey: ReadonlySet<FileEntry["what"]> = new Set(["key", "combined", "pkcs12", "jks"]);
const inDer: ReadonlySet<FileEntry["what"]> = new Set(["key", "certificate"]);

function fileMistakes({ visible }: Description, file: FileEntry, at: string): string[] {
  const { what, path, format, mode = "0600", group, passphrase } = file;
  const bits = Number.parseInt(mode, 8);
  const isStore = what === "pkcs12" || what === "jks";
  const isAbsolute = /^(\/|\{\{)/.test(path);
  const mistakes: [boolean, string][] = [
    [
      format === "DER" && !inDer.has(what),
      `${at}.format DER holds one key or certificate only: write PEM`,
    ],
    [format !== undefined && isStore, `${at}.format says nothing of ${what}: remove it`],
    [isStore !== (passphrase !== undefined), passphraseMistake(at, isStore)],
    [withKey.has(what) && (bits & 0o7) !== 0, `${at}.mode lets others read a key: write 0600`],
    [(bits & 0o022) !== 0, `${at}.mode lets others than the owner write: write 0600, 0640 or 0644`],
    [
      withKey.has(what) && (bits & 0o070) !== 0 && group === undefined,
      `${at}.mode lets a group read a key, but no group is named: add group, or write 0600`,
    ],
    [
      visible === "link" && !/^[A-Za-z0-9][\w.-]*$/.test(path),
      `${at}.path must be the name of a file, as key.pem: with visible: link it is in {{folder}}/current`,
    ],
    [
      visible === "link" && path === manifestName,
      `${at}.path ${manifestName} is Gatehouse's own: write another name`,
    ],
    [
      visible === "swap" && !isAbsolute,
      `${at}.path must be absolute: with visible: swap the file is copied there`,
    ],
  ];
  return mistakes.flatMap(([is, text]) => (is ? [text] : []));
}

function passphraseMistake(at: string, isStore: boolean): string {
  return isStore
    ? `${at}.passphrase is missing: write its file or exec`
    : `${at}.passphrase is for pkcs12 and jks only: remove it`;
}

function pathMistakes({ files }: Description): string[] {
  const paths = files.map(({ path }) => path);
  return paths.flatMap((path, i) =>
    paths.indexOf(path) < i ? [`files[${i}].path is that of another file: write each once`] : [],
  );
}

function contentMistakes({ files, revocationLists }: Description): string[] {
  const has = (...kinds: FileEntry["what"][]): boolean =>
    files.some(({ what }) => kinds.includes(what));
  return [
    ...(has("crl") === (revocationLists !== undefined)
      ? []
      : ["what: crl and revocationLists need each other: write both, or none"]),
    ...(has("key", "combined", "pkcs12", "jks") ? [] : ["files has no key: add what: key"]),
    ...(has("certificate", "certificate-and-chain", "combined", "pkcs12", "jks")
      ? []
      : ["files has no certificate: add what: certificate-and-chain"]),
  ];
}

function effectMistakes(description: Description): string[] {
  const { reload, restart, start, trust, files, visible, folder } = description;
  const code = codeOf(description);
  const canReload = reload !== undefined || code.reload !== undefined;
  // A Node Manager restarts what it starts.
  const canRestart = restart !== undefined || start !== undefined || code.restart !== undefined;
  const sent =
    reload !== undefined && "commands" in reload
      ? reload.commands.flatMap(({ payload }) => payload ?? [])
      : [];
  return [
    ...(!canReload && !canRestart
      ? ["reload and restart are both missing: say how new files take effect"]
      : []),
    ...(trust.takesEffect === "restart" && !canRestart
      ? ["trust.takesEffect is restart, but restart is missing: say how"]
      : []),
    ...(trust.takesEffect === "reload" && !canReload
      ? ["trust.takesEffect is reload, but reload is missing: say how, or write restart"]
      : []),
    ...sent
      .filter((name) => !files.some(({ path }) => path === name))
      .map((name) => `reload.commands sends ${name}, which is not the path of one of files`),
    ...(/^(\/|\{\{)/.test(folder) ? [] : [`folder must be absolute`]),
    ...(reload !== undefined && "commands" in reload
      ? reload.commands.flatMap(({ expect }, i) =>
          expressionMistake(expect, `reload.commands[${i}].expect`),
        )
      : []),
    ...(trust.proof === undefined
      ? []
      : expressionMistake(trust.proof.expect, "trust.proof.expect")),
    ...(visible === "swap" && sent.length > 0
      ? ["reload.commands.payload needs visible: link"]
      : []),
  ];
}

function statusMistakes({ status, login, code }: Description): string[] {
  const overHttp = status !== undefined && "url" in status.from;
  const unused =
    login !== undefined && !overHttp && code === undefined
      ? ["login is used by status.from.url only: remove it, or read the status from a url"]
      : [];
  if (status === undefined) return unused;
  const sources: [string, StatusSource | undefined][] = [
    ["status.role.in", status.role?.in],
    ["status.members", status.members],
    ["status.connected", status.connected],
    ["status.synchronised.in", status.synchronised?.in],
  ];
  const found = sources.flatMap(([at, source]) => sourceMistake(source, at));
  if (sources.every(([, source]) => source === undefined))
    found.push("status reads nothing: add role, members, connected or synchronised");
  if (overHttp && !/^https?:\/\//.test((status.from as { url: string }).url))
    found.push("status.from.url must begin with http:// or https://");
  return [...unused, ...found];
}

function sourceMistake(source: StatusSource | undefined, at: string): string[] {
  if (source === undefined) return [];
  if ("json" in source) {
    const problem = jsonPathProblem(source.json);
    return problem === null ? [] : [`${at}.json ${problem}`];
  }
  return "match" in source
    ? expressionMistake(source.match, `${at}.match`)
    : expressionMistake(source.count, `${at}.count`);
}

function expressionMistake(expression: string, at: string): string[] {
  try {
    new RegExp(expression, "m");
    return [];
  } catch {
    return [`${at} is not a regular expression`];
  }
}
