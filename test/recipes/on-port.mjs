// Preloaded by tests. A recipe listens on a fixed port, and a test needs a free one.
import { Server } from "node:net";

const { listen } = Server.prototype;
Server.prototype.listen = function listenOnTestPort(_port, ...rest) {
  const report = () => process.stdout.write("listening\n");
  this.once("listening", report);
  return listen.call(
    this,
    Number(process.env["TEST_PORT"]),
    ...rest.filter((argument) => typeof argument !== "number"),
  );
};
