//! Disks that a test can fill up or break, under a world's data directory. Only root can mount them.

use std::io::Write as _;
use std::path::{Path, PathBuf};

use crate::command::{command, must, run};
use crate::world::World;

/// What fills it.
const FILLER: &str = "filler-of-the-test";

/// A file system mounted on a world's data directory; gone with the value. Declare it after the world and before the controller.
#[derive(Debug)]
pub struct Disk {
    data_dir: PathBuf,
    /// The file that holds it, where it is no tmpfs.
    image: Option<PathBuf>,
}

impl Disk {
    /// A small one in memory.
    pub fn small(world: &World, mebibytes: u32) -> Self {
        let disk = Self { data_dir: data_dir(world), image: None };
        let size = format!("size={mebibytes}m,mode=0700");
        must(command("mount", ["-t", "tmpfs", "-o", &size, "tmpfs"]).arg(&disk.data_dir));
        disk
    }

    /// One that becomes read-only when it has a fault, as disks of servers do. Nothing gets to it before its time unless somebody
    /// asks for it: neither with the journal, which is written every ten minutes, nor because a file takes another one's place.
    pub fn that_may_fail(world: &World, mebibytes: u32) -> Self {
        let image = world.directory().join("disk.img");
        must(command("truncate", ["-s", &format!("{mebibytes}M")]).arg(&image));
        must(command("mkfs.ext4", ["-q", "-F"]).arg(&image));
        let disk = Self { data_dir: data_dir(world), image: Some(image) };
        disk.mount();
        disk
    }

    fn mount(&self) {
        let image = self.image.as_ref().expect("it has a file");
        // It goes with the mount.
        let options = "loop,errors=remount-ro,commit=600,noauto_da_alloc";
        must(command("mount", ["-o", options]).arg(image).arg(&self.data_dir));
    }

    /// Leaves no byte free.
    pub fn fill(&self) {
        let file = std::fs::OpenOptions::new().append(true).create(true).open(self.data_dir.join(FILLER));
        let mut file = file.expect("it can be opened");
        let mut size = 1 << 20;
        while size > 0 {
            let full = file.write_all(&vec![7; size]).is_err();
            size = if full { size / 4 } else { size };
        }
    }

    /// Takes away what filled it.
    pub fn relieve(&self) {
        std::fs::remove_file(self.data_dir.join(FILLER)).expect("it was filled");
    }

    /// Gives it a fault, after which nothing can be written.
    pub fn fail(&self) {
        let device =
            must(&mut command("findmnt", ["-n", "-o", "SOURCE", &self.data_dir.display().to_string()]));
        let name = device.trim_start_matches("/dev/");
        std::fs::write(format!("/sys/fs/ext4/{name}/trigger_fs_error"), "1")
            .expect("ext4 can be told to fail");
        let probe = std::fs::write(self.data_dir.join("probe-of-the-test"), "x");
        assert!(probe.is_err(), "it can still be written");
    }

    /// As after its repair, on another disk: containers that mount files of evenkeel hold on to the broken one. Nobody else may use
    /// it meanwhile.
    pub fn repair(&mut self) {
        must(command("umount", ["-l"]).arg(&self.data_dir));
        let copy = self.copy();
        let checked = run(command("e2fsck", ["-f", "-y"]).arg(&copy));
        assert!(checked.code < 4, "{}{}", checked.stdout, checked.stderr);
        self.exchange(copy);
    }

    /// As after a power loss: what the file system had in memory only is gone. Nobody may use it meanwhile.
    pub fn lose_power(&mut self) {
        // What the file system has written is in the file by now; to unmount it would write the rest.
        let copy = self.copy();
        must(command("umount", ["-l"]).arg(&self.data_dir));
        self.exchange(copy);
    }

    /// What has got to it.
    fn copy(&self) -> PathBuf {
        let old = self.image.as_ref().expect("it has a file");
        let new = old.with_extension("next");
        must(command("cp", [old, &new]).arg("--sparse=always"));
        new
    }

    /// Mounts another file in its place. Containers that mount files from it keep the old one, which goes with them.
    fn exchange(&mut self, other: PathBuf) {
        let image = self.image.as_ref().expect("it has a file");
        // A mounted file keeps its content when its name goes.
        std::fs::remove_file(image).expect("it is there");
        std::fs::rename(other, image).expect("both are in one directory");
        self.mount();
    }
}

impl Drop for Disk {
    fn drop(&mut self) {
        run(command("umount", ["-l"]).arg(&self.data_dir));
    }
}

fn data_dir(world: &World) -> PathBuf {
    let path: &Path = &world.directory().join("data");
    std::fs::create_dir_all(path).expect("a world's directory can be written");
    path.to_owned()
}
