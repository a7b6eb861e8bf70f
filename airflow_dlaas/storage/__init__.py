"""
Putting bytes where trainings can read them, and bringing them back.

Object stores and packages of code, for both towers. What a training, an experiment or a task is belongs elsewhere;
here are only names, bytes and checksums. Nothing is configured by the environment, and no library's error leaves.

A transfer, from the outside in (those marked * do no I/O):

``transfer``   whole folders up and down              ``plan`` *      what to send, fetch and delete
``uploading``  carries a plan to send out             ``large``       one large file, as ``segments`` *
``downloading``  carries a plan to fetch out          ``partfile``    what a large object is gathered in
``comparing``  has it changed?                        ``known``       MD5s of files that did not
``crew``       many things at a time                  ``pace`` *      how many
``sources``    files here, and ``reading`` them       ``remote``      files elsewhere, and ``tags`` * of their content
``patterns`` *  which files are meant                 ``selection``   and what an upload is about

A store:

``objects`` *  what every store promises              ``filesystem``  a store as fsspec has it
``streaming``  an object written bit by bit           ``copying``     from one name to another, inside the store
``swift``      Swift: ``asking`` it, with ``access``  ``faults``      what its answers mean
``haulage``    objects' content, over the ``wire``    ``lines``       the connections of that
``checking`` *  is it what was stored?                ``patience`` *  how long to try

Packages of code:

``bundle``     a folder of code as one zip            ``folder``      which files of it
``entries`` *  what a zip may hold, and ``magic`` *   ``ignoring``    `.dlaasignore`; ``sensitive`` * secrets
``placing``    files that appear complete or not at all
"""
