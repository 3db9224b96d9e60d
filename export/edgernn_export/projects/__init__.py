"""The folders that a graph can be written as: a model with what a tool or a language expects around it."""

from edgernn_export.projects.project import Project

PROJECTS: dict[str, Project] = {
    project.name: project
    for project in (
        Project("arduino", "edgernn_export.projects.components"),
        Project("cmake", "edgernn_export.projects.components"),
        Project("demo", "edgernn_export.projects.demo", suffix=".wasm"),
        Project("esp-idf", "edgernn_export.projects.components"),
        Project("platformio", "edgernn_export.projects.components"),
        Project("zephyr", "edgernn_export.projects.components"),
    )
}
"""Kind -> what writes it, imported when asked for."""
