// Servers on Node.js, run as `node node.cjs ws` or `node node.cjs node-red`; see contestants.py.
// NODE_PATH says where `ws` and `node-red` are installed.

const http = require("node:http");
const name = process.argv[2];
const server = http.createServer();
server.listen(0, "127.0.0.1", () => start(server.address().port));
process.stdin.on("end", () => process.exit(0)).resume();

function start(port) {
  (name === "ws" ? plain : red)().then(() => console.log(`port ${port}`));
}

async function plain() {
  const { WebSocketServer } = require("ws");
  const sockets = new WebSocketServer({ server, perMessageDeflate: false });
  const room = new Set();
  sockets.on("connection", (client, request) => {
    if (request.url === "/broadcast") {
      room.add(client);
      client.on("close", () => room.delete(client));
      client.on("message", (text) => room.forEach((one) => one.send(text, { binary: false })));
    } else {
      client.on("message", (text) => client.send(text, { binary: false }));
    }
  });
}

async function red() {
  const fs = require("node:fs");
  const RED = require("node-red");
  const folder = fs.mkdtempSync(require("node:os").tmpdir() + "/wsflow-bench-");
  process.on("exit", () => fs.rmSync(folder, { recursive: true, force: true }));
  const nodes = [{ id: "bench", type: "tab", label: "bench" }];
  for (const path of ["/echo", "/async", "/await", "/broadcast"]) {
    const id = path.slice(1);
    const func = path === "/broadcast" ? "delete msg._session; return msg;" : "return msg;";
    const [first, second, third] = [`${id}-in`, `${id}-do`, `${id}-out`];
    nodes.push({ id, type: "websocket-listener", path, wholemsg: "false" });
    nodes.push({ id: first, z: "bench", type: "websocket in", server: id, wires: [[second]] });
    nodes.push({ id: second, z: "bench", type: "function", func, outputs: 1, wires: [[third]] });
    nodes.push({ id: third, z: "bench", type: "websocket out", server: id, wires: [] });
  }
  fs.writeFileSync(`${folder}/flows.json`, JSON.stringify(nodes));
  RED.init(server, {
    userDir: folder,
    flowFile: "flows.json",
    httpAdminRoot: false,
    httpNodeRoot: "/",
    disableEditor: true,
    logging: { console: { level: "error" } },
  });
  const started = new Promise((done) => RED.events.once("flows:started", done));
  await RED.start();
  await started;
}
