// Before anything else: a password on the command line is out of sight from here on.
process.title = "managedomain";

const { productVersion } = await import("./version.ts");
const args = process.argv.slice(2);
if (args.length === 1 && (args[0] === "--version" || args[0] === "-v")) {
  process.stdout.write(`managedomain (Gatehouse) ${productVersion()}\n`);
} else {
  const { runProcess } = await import("./run-program.ts");
  const { managedomain } = await import("./managedomain/program.ts");
  await runProcess("managedomain", managedomain());
}
