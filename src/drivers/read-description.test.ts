import { describe, expect, test } from "vitest";
import { readDescription } from "./read-description.ts";
import { resolveDescription } from "./variables.ts";

const good = `
name: sample
variables:
  folder: { type: path }
  port: { type: port, default: 443 }
folder: "{{folder}}"
visible: link
files:
  - { what: key, path: key.pem, mode: 0600 }
  - { what: certificate-and-chain, path: certificate.pem, mode: "0644" }
check: { run: [/usr/sbin/sample, -t, "{{folder}}"] }
reload: { signal: SIGHUP, pidFile: "{{folder}}/pid" }
served:
  - { host: 127.0.0.1, port: "{{port}}" }
trust: { overlap: true, takesEffect: reload }
`;

/** The good description with one piece of text replaced. */
function changed(from: string, to: string): string {
  expect(good).toContain(from);
  return good.replace(from, to);
}

describe("a driver's description", () => {
  test("is read, with an unquoted mode as the octal number that was meant", () => {
    const { files, check } = readDescription(good, "sample.yaml");
    expect(files.map(({ mode }) => mode)).toEqual(["0600", "0644"]);
    expect(check?.run).toEqual(["/usr/sbin/sample", "-t", "{{folder}}"]);
  });

  test.each<[string, string, string, string]>([
    ["YAML is broken", "visible: link", "visible: [link", "line 8, column 1"],
    [
      "a key is there twice",
      "visible: link",
      "visible: link\nvisible: swap",
      "Map keys must be unique",
    ],
    ["a key is not known", "visible: link", "visible: link\nvisable: swap", "visable is not known"],
    ["a field is missing", "visible: link", "", "visible is missing"],
    ["a type is wrong", "overlap: true", "overlap: perhaps", "trust.overlap must be true or false"],
    [
      "a command is a line for a shell",
      '[/usr/sbin/sample, -t, "{{folder}}"]',
      "sample -t",
      "check.run must be a list",
    ],
    ["an alias is used", "visible: link", "about: &a x\nvisible: *a", "line 8 has an alias"],
    [
      "others may read a key",
      "mode: 0600",
      "mode: 0604",
      "files[0].mode lets others read a key: write 0600",
    ],
    [
      "an unnamed group may read a key",
      "mode: 0600",
      "mode: 0640",
      "files[0].mode lets a group read a key, but no group is named",
    ],
    [
      "others may write",
      'mode: "0644"',
      "mode: 0666",
      "files[1].mode lets others than the owner write",
    ],
    ["a mode is none", "mode: 0600", "mode: 600", "files[0].mode must be"],
    [
      "nothing reloads and nothing restarts",
      'reload: { signal: SIGHUP, pidFile: "{{folder}}/pid" }',
      "",
      "reload and restart are both missing",
    ],
    [
      "trust needs a restart that is missing",
      "takesEffect: reload",
      "takesEffect: restart",
      "restart is missing: say how",
    ],
    ["a variable is not declared", "{{folder}}/pid", "{{run}}/pid", "{{run}} is not declared"],
    [
      "a variable is used nowhere",
      "  port: {",
      "  other: { type: text }\n  port: {",
      "variables.other is used nowhere",
    ],
    [
      "a default has not its type",
      "default: 443",
      "default: 70000",
      "variables.port.default must be a port",
    ],
    ["a variable's type is not known", "type: port,", "type: number,", "variables.port"],
    [
      "a linked file has a path",
      "path: key.pem",
      "path: ../key.pem",
      "files[0].path must be the name of a file",
    ],
    [
      "a swapped file has no absolute path",
      "visible: link",
      "visible: swap",
      "files[0].path must be absolute",
    ],
    [
      "two files have one path",
      "path: certificate.pem",
      "path: key.pem",
      "files[1].path is that of another file",
    ],
    ["no file has a key", "what: key", "what: chain", "files has no key"],
    [
      "no file has a certificate",
      "certificate-and-chain",
      "trust-bundle",
      "files has no certificate",
    ],
    [
      "a chain is to be DER",
      "certificate-and-chain,",
      "chain, format: DER,",
      "files[1].format DER holds one",
    ],
    ["JKS has no passphrase", "what: key,", "what: jks,", "files[0].passphrase is missing"],
    [
      "nobody brings revocation lists",
      "check:",
      "  - { what: crl, path: crl.pem }\ncheck:",
      "what: crl and revocationLists need each other",
    ],
    ["PKCS#12 has no passphrase", "what: key,", "what: pkcs12,", "files[0].passphrase is missing"],
    [
      "a status reads nothing",
      "check:",
      "status: { from: { run: [x] } }\ncheck:",
      "status reads nothing",
    ],
    [
      "a JSON path is none",
      "check:",
      "status: { from: { run: [x] }, members: { json: a.b } }\ncheck:",
      "status.members.json must be a path",
    ],
    [
      "an expression is none",
      "check:",
      'status: { from: { run: [x] }, members: { match: "(" } }\ncheck:',
      "status.members.match is not a regular expression",
    ],
    [
      "a login is used by nothing",
      "check:",
      "login: { user: x, password: { file: /x } }\ncheck:",
      "login is used by status.from.url only",
    ],
  ])("is refused, with where and what to do, when %s", (_, from, to, message) => {
    const read = (): unknown => readDescription(changed(from, to), "sample.yaml");
    expect(read).toThrow(expect.objectContaining({ code: "invalid-input" }));
    expect(read).toThrow(/^sample\.yaml/);
    expect(read).toThrow(message);
  });
});

test("what a Node Manager starts needs no other way to be restarted", () => {
  const text = changed("takesEffect: reload", "takesEffect: restart");
  expect(() => readDescription(`${text}start: { run: [/usr/sbin/sample] }\n`, "x")).not.toThrow();
});

describe("variables", () => {
  const description = readDescription(good, "sample.yaml");

  test("take their values, or their defaults, at any depth", () => {
    const { folder, served, reload } = resolveDescription(description, { folder: "/srv/x" });
    expect({ folder, served, reload }).toEqual({
      folder: "/srv/x",
      served: [{ host: "127.0.0.1", port: "443" }],
      reload: { signal: "SIGHUP", pidFile: "/srv/x/pid" },
    });
  });

  test.each<[string, Record<string, string | number>]>([
    ["folder is missing", {}],
    ["folder must be an absolute path", { folder: "srv" }],
    ["folder must be an absolute path", { folder: "/srv/../etc" }],
    ["folder must be an absolute path", { folder: "/srv\n/x" }],
    ["port must be a port", { folder: "/srv", port: "0443" }],
    ["prot is not known", { folder: "/srv", prot: 1 }],
  ])("are refused: %s, for %j", (message, values) => {
    expect(() => resolveDescription(description, values)).toThrow(message);
  });
});
