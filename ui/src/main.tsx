/** Renders the page that the last part of the URL's path names. */

import { render } from "preact";
import "uplot/dist/uPlot.min.css";

import { followTheme } from "./shared/theme";
import "./listing/listing.css";
import { DagPage } from "./pages/DagPage";
import { RunPage } from "./pages/RunPage";
import { TaskPage } from "./pages/TaskPage";
import { TrainingsPage } from "./pages/TrainingsPage";
import "./style.css";

const PAGES = { task: TaskPage, run: RunPage, dag: DagPage, trainings: TrainingsPage };

followTheme();
const name = window.location.pathname.split("/").pop() ?? "";
const Page = PAGES[name as keyof typeof PAGES] ?? TrainingsPage;
const container = document.getElementById("page");
if (container) render(<Page query={new URLSearchParams(window.location.search)} />, container);
