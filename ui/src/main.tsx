/** Which page it is stands in the address. */

import { render } from "preact";
import "uplot/dist/uPlot.min.css";

import { followTheme } from "./core/theme";
import "./listing/listing.css";
import { Dag } from "./pages/Dag";
import { Run } from "./pages/Run";
import { Task } from "./pages/Task";
import { Trainings } from "./pages/Trainings";
import "./style.css";

const PAGES = { task: Task, run: Run, dag: Dag, trainings: Trainings };

followTheme();
const name = window.location.pathname.split("/").pop() ?? "";
const Page = PAGES[name as keyof typeof PAGES] ?? Trainings;
const place = document.getElementById("page");
if (place) render(<Page query={new URLSearchParams(window.location.search)} />, place);
