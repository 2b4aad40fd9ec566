import { statSync, readFileSync } from "node:fs";
import { access } from "node:fs/promises";
import { dirname } from "node:path";
import { homeLayout, type HomeLayout } from "../domain/index.ts";
import { ensureFolder, writeFileAtomic } from "../keys/index.ts";

const defaultDays = 30;

/** Without -preserveDN names are put into this order, which is that of our processes. */
const nameParts =
  "commonName organizationalUnitName domainComponent organizationName localityName stateOrProvinceName countryName userId emailAddress";

function configText({ home }: HomeLayout): string {
  return `# The CA of this Gatehouse domain for OpenSSL:
#   openssl ca -config skel/openssl.cnf -preserveDN -in FILE.csr -out FILE.pem
# Written once; yours to edit. default_days is read at every signing, by Gatehouse too: while it is ${defaultDays},
# what renews itself lives as the policy says (${defaultDays} days), and what does not for 825 days.

[ ca ]
default_ca = CA_default

[ CA_default ]
dir = ${home}/groups/certs
certificate = $dir/domaincert.pem
private_key = $dir/private/domainkey.pem
database = $dir/index.txt
serial = $dir/serial
new_certs_dir = $dir/newcerts
# Serial numbers are random: the file serial is kept for other tools.
rand_serial = yes
default_days = ${defaultDays}
default_md = sha256
unique_subject = no
policy = any_name
copy_extensions = copy
x509_extensions = leaf

[ any_name ]
${nameParts
  .split(" ")
  .map((part) => `${part} = optional`)
  .join("\n")}

# What a request asks for beside these is copied.
[ leaf ]
basicConstraints = critical,CA:FALSE
subjectKeyIdentifier = hash
authorityKeyIdentifier = keyid
`;
}

/** Writes `skel/openssl.cnf` unless there is one, which is the operator's. */
export async function ensureOpensslConfig(layout: HomeLayout): Promise<void> {
  const path = layout.opensslConfig;
  const isThere = await access(path).then(
    () => true,
    () => false,
  );
  if (isThere) return;
  await ensureFolder(dirname(path), 0o700);
  await writeFileAtomic(path, configText(layout), { mode: 0o600 });
}

const daysMax = 100 * 366;
const daySeconds = 86_400;

interface Lifetime {
  /** How long new leaves live; null where nothing is said, or what we wrote there. */
  readonly seconds: number | null;
  /** Why what is said does not count. */
  readonly problem: string | null;
}

/** What `default_days` in the section CA_default of an OpenSSL configuration says. */
function defaultLifetime(text: string, path: string): Lifetime {
  let section = "";
  let found: string | null = null;
  for (const line of text.split("\n")) {
    const [, name] = /^\s*\[\s*(\S+)\s*\]/.exec(line) ?? [];
    if (name !== undefined) section = name;
    const [, value] = /^\s*default_days\s*=\s*([^#]*)/.exec(line) ?? [];
    if (value !== undefined && section === "CA_default") found = value.trim();
  }
  if (found === null) return { seconds: null, problem: null };
  const days = /^\d{1,5}$/.test(found) ? Number(found) : 0;
  if (days === defaultDays) return { seconds: null, problem: null };
  if (days >= 1 && days <= daysMax) return { seconds: days * daySeconds, problem: null };
  return {
    seconds: null,
    problem: `default_days = ${found} in ${path} is not a number of days from 1 to ${daysMax}: new certificates live as long as the policy says`,
  };
}

/** How long a home's `skel/openssl.cnf` lets new leaves live, in seconds; null: it does not say. */
export function operatorLifetimeSeconds(home: string): number | null {
  return new LeafLifetime(homeLayout(home)).now().seconds;
}

/** `skel/openssl.cnf`, read again whenever it has changed: it counts at once, without a restart. */
export class LeafLifetime {
  readonly #path: string;
  #mark = "";
  #read: Lifetime = { seconds: null, problem: null };

  constructor({ opensslConfig }: Pick<HomeLayout, "opensslConfig">) {
    this.#path = opensslConfig;
  }

  now(): Lifetime {
    const stat = statSync(this.#path, { throwIfNoEntry: false });
    if (stat === undefined) return { seconds: null, problem: null };
    const mark = `${stat.mtimeMs} ${stat.size} ${stat.ino}`;
    if (mark !== this.#mark) {
      this.#read = defaultLifetime(readFileSync(this.#path, "utf8"), this.#path);
      this.#mark = mark;
    }
    return this.#read;
  }
}
