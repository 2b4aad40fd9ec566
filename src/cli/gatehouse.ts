const { productVersion } = await import("./version.ts");

if (process.argv.length === 3 && process.argv[2] === "--version") {
  process.stdout.write(`gatehouse ${productVersion()}\n`);
} else {
  const { runProcess } = await import("./run-program.ts");
  const { gatehouse } = await import("./gatehouse/program.ts");
  await runProcess("gatehouse", gatehouse());
}
