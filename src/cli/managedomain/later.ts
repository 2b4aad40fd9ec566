import { DomainError } from "../../kit/index.ts";

const deployments =
  "archives and their deployment come with a later version; `gatehouse group configure NAME -f FILE.json` sets what a group serves";
const metrics =
  "the metrics database comes with a later version; Node Managers serve metrics for Prometheus";

/** Documented words that this version knows and does not do, and what a later version brings. */
export const laterWords: Readonly<Record<string, string>> = {
  deploy: deployments,
  list_deployments: deployments,
  create_archive: deployments,
  download_archive: deployments,
  archive_filename: deployments,
  yaml: deployments,
  metrics_enabled: metrics,
  metrics_dburl: metrics,
  metrics_dbuser: metrics,
  metrics_dbpass: metrics,
  truststore_password:
    "trust stores with a password come with a later version; give a PEM file with --truststore_file",
};

/** Refuses the first later word that was given. Throws `not-supported`. */
export function refuseLater(given: Readonly<Record<string, unknown>>): void {
  for (const [word, text] of Object.entries(laterWords)) {
    if (given[word] !== undefined) throw new DomainError("not-supported", `--${word}: ${text}`);
  }
}
