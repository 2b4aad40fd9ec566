import { ensureBuild } from "../../scripts/ensure.mjs";

/** Scenarios run the built programs: this makes sure that they are those of the sources. */
export default function setup(): void {
  ensureBuild();
}
