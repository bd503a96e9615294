// Preloaded: a recipe says the port that a reader would use, and a test needs a free one.
import { Server } from "node:net";

const { listen } = Server.prototype;
Server.prototype.listen = function listenElsewhere(_port, ...rest) {
  const said = () => process.stdout.write("listening\n");
  this.once("listening", said);
  return listen.call(
    this,
    Number(process.env["TEST_PORT"]),
    ...rest.filter((one) => typeof one !== "number"),
  );
};
