import { DomainError } from "../kit/index.ts";

/**
 * Characters that names are made of: those of the documented examples, such as `Node Manager on
 * alpha.example`, and letters of every language. Tools that get a name as an argument, and shells,
 * read none of them as anything else.
 */
const illegalCharacter = /[^\p{L}\p{M}\p{N} ._()-]/u;
/** As much as a common name holds: ub-common-name, RFC 5280 appendix A.1. */
export const nameLengthMax = 64;

/**
 * Checks the name of a host, Node Manager, group, instance, tag, user, relying party, service or member as a person
 * gives it. Returns it unchanged; throws `invalid-name` that says which character or length is wrong.
 */
export function checkName(
  kind:
    | "host"
    | "Node Manager"
    | "group"
    | "instance"
    | "tag"
    | "user"
    | "relying party"
    | "service"
    | "member",
  name: string,
): string {
  const refuse = (why: string): never => {
    throw new DomainError("invalid-name", `the ${kind} name ${JSON.stringify(name)} ${why}`, {
      context: { kind },
    });
  };
  if (name.trim() === "") refuse("is empty: give at least one character that is not a space");
  if (name !== name.trim()) refuse("begins or ends with a space: remove it");
  if (name.length > nameLengthMax)
    refuse(`has ${name.length} characters: at most ${nameLengthMax} are allowed`);
  const [illegal] = illegalCharacter.exec(name) ?? [];
  if (illegal !== undefined)
    refuse(
      `contains ${JSON.stringify(illegal)}: use letters, digits, spaces, dots, underscores, dashes and parentheses`,
    );
  if (name.startsWith("-")) refuse("begins with a dash, as an option does: begin with a letter");
  if (name === "." || name === "..") refuse("cannot be a folder name: choose another");
  return name;
}

const dnsLabel = /^(?!-)[A-Za-z0-9-]{1,63}(?<!-)$/;

/** True for a DNS name of ordinary labels (RFC 1123 section 2.1); a leading `*.` is allowed. */
export function isDnsName(text: string): boolean {
  const name = text.startsWith("*.") ? text.slice(2) : text;
  return name.length <= 253 && name.split(".").every((label) => dnsLabel.test(label));
}

/** True for an IPv4 address in dotted form or an IPv6 address in any of its usual forms. */
export function isIpAddress(text: string): boolean {
  return text.includes(":") ? isIpv6(text) : isIpv4(text);
}

function isIpv4(text: string): boolean {
  const octets = text.split(".");
  return (
    octets.length === 4 && octets.every((o) => /^(0|[1-9]\d{0,2})$/.test(o) && Number(o) <= 255)
  );
}

/** RFC 4291 section 2.2: eight groups, one run of zeros left out, an IPv4 address as the last two. */
function isIpv6(text: string): boolean {
  const sides = text.split("::");
  const groups = sides.flatMap((side) => (side === "" ? [] : side.split(":")));
  const last = groups.at(-1) ?? "";
  const hasIpv4 = isIpv4(last) && !text.endsWith("::");
  const plain = hasIpv4 ? groups.slice(0, -1) : groups;
  const count = plain.length + (hasIpv4 ? 2 : 0);
  return (
    plain.every((group) => /^[0-9A-Fa-f]{1,4}$/.test(group)) &&
    (sides.length === 1 ? count === 8 : sides.length === 2 && count < 8)
  );
}

/** Checks a host address: a DNS name or an IP address. Throws `invalid-name`. */
export function checkAddress(text: string): string {
  if (isIpAddress(text) || (isDnsName(text) && !text.startsWith("*."))) return text;
  throw new DomainError(
    "invalid-name",
    `the host address ${JSON.stringify(text)} is neither a DNS name nor an IP address: give one that other hosts can reach`,
  );
}

/** Checks a TCP port number. Throws `invalid-input`. */
export function checkPort(port: number): number {
  if (Number.isInteger(port) && port >= 1 && port <= 65_535) return port;
  throw new DomainError("invalid-input", `the port ${port} is not a whole number from 1 to 65535`);
}
