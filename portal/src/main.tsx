import { createRoot } from "react-dom/client";
import { App } from "./App";
import { makeClients } from "./clients";
import { loadConfig } from "./config";
import { PlaceContext } from "./place";
import { problemOf } from "./problem";
import { takeOver } from "./session";
import "./style.css";
import { ProblemBox } from "./ui/parts";

const root = createRoot(document.getElementById("page") as HTMLElement);
try {
  const config = await loadConfig();
  const session = await takeOver();
  root.render(
    <PlaceContext value={{ config, session, clients: makeClients(config, session) }}>
      <App />
    </PlaceContext>,
  );
} catch (error) {
  root.render(<ProblemBox problem={problemOf(error)} />);
}
